// The route table as requests see it: per domain one value in a shared dictionary,
// "<epoch>|<owner>|<held until, unix ms, or 0>|<canary's share, in 1/100 %>|<canary's revision>",
// so that a flip that ends a hold and a canary is one write, which all workers see at once. change.js changes it.
import fs from 'fs';

const routes = ngx.shared.fig_routes;

function knows(domain) {
    return Object.prototype.hasOwnProperty.call(settings.domains, domain);
}

function read(domain) {
    let value = routes.get(domain);
    if (value === undefined) {
        // Only the first to come after a start loads; a value that is already there is never older than the file.
        routes.add(domain, text(saved(domain)));
        value = routes.get(domain);
    }
    const parts = value.split('|');
    // A value that an older version left in the dictionary has three parts.
    return {
        epoch: +parts[0], owner: parts[1], until: +parts[2], share: +(parts[3] || 0), revision: +(parts[4] || 0),
    };
}

function text(route) {
    return [route.epoch, route.owner, route.until, route.share, route.revision].join('|');
}

function file(domain) {
    return settings.folder + '/routes/' + domain + '.json';
}

function saved(domain) {
    let content;
    try {
        content = fs.readFileSync(file(domain), 'utf8');
    } catch (e) {
        if (e.code === 'ENOENT') {
            return { epoch: 0, owner: settings.domains[domain].owner, until: 0, share: 0, revision: 0 };
        }
        throw e;
    }
    const route = JSON.parse(content);
    // Without rules (a plan that no longer has a canary) nothing could be sent anywhere.
    const share = settings.domains[domain].canary ? route.share || 0 : 0;
    return { epoch: route.epoch, owner: route.owner, until: 0, share: share, revision: route.revision || 0 };
}

function held(route) {
    return route.until > Date.now();
}

function upstream(domain, side) {
    return settings.domains[domain].upstreams[side];
}

function pause(ms) {
    return new Promise(function (done) { setTimeout(done, ms); });
}

// Poll in growing steps: a switch holds for some tens of milliseconds, and each step costs memory until the request
// ends (njs frees nothing inside a request). Resolves to whether the condition came true in time.
async function until(condition, bound) {
    const start = Date.now();
    for (let step = 2; !condition(); step = step < 25 ? step * 1.5 : step) {
        const waited = Date.now() - start;
        if (waited >= bound) {
            return false;
        }
        await pause(waited > 1000 ? 50 : step);
    }
    return true;
}

export default { knows, read, text, file, held, upstream, pause, until };
