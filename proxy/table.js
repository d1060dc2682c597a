// The route table: per domain one value in a shared dictionary,
// "<epoch>|<owner>|<held until, unix ms, or 0>|<canary's share, in 1/100 %>|<canary's revision>",
// so that a flip that ends a hold and a canary is one write, which all workers see at once.
// All but the hold is also in a file per domain, written before the value is visible and before any ack.
import fs from 'fs';
import settings from 'settings.js';

const routes = ngx.shared.fig_routes;
const locks = ngx.shared.fig_locks;

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

function write(domain, route) {
    const part = file(domain) + '.' + process.pid;
    fs.writeFileSync(part, JSON.stringify({
        epoch: route.epoch, owner: route.owner, share: route.share, revision: route.revision,
    }));
    fs.renameSync(part, file(domain));
    routes.set(domain, text(route));
}

// A hold lives in the dictionary only: a proxy that was restarted lets writes through to the fence, which is safe.
function hold(domain, route, until) {
    routes.set(domain, text(Object.assign(route, { until: until })));
}

function held(route) {
    return route.until > Date.now();
}

function upstream(domain, side) {
    return settings.domains[domain].upstreams[side];
}

// Is this process a worker of the nginx that we belong to? Where /proc cannot be read, everybody is.
function alive(pid) {
    let stat;
    try {
        stat = fs.readFileSync('/proc/' + pid + '/stat', 'utf8');
    } catch (e) {
        return settings.proc ? false : true;
    }
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] !== 'Z' && +fields[1] === process.ppid;
}

// Run `change` while nobody else changes this domain, in whichever worker. The lock has no time limit, for a worker
// that was only stopped must not come back into a change that others believe is over; a dead holder is replaced.
async function alone(domain, change) {
    const token = process.pid + ' ' + Date.now() + ' ' + Math.random();
    for (let step = 0; !locks.add(domain, token); step++) {
        if (step === 1000) {
            throw new Error('the routes of ' + domain + ' are locked by worker ' + locks.get(domain));
        }
        bury(domain);
        await pause(2);
    }
    try {
        return change();
    } finally {
        locks.delete(domain);
    }
}

// Only one living process ever gets to remove a given dead holder's token, so no living holder's can be removed; who
// died between taking that right and using it is buried the same way.
function bury(key) {
    const token = locks.get(key);
    if (token === undefined || alive(token.split(' ')[0])) {
        return;
    }
    const grave = 'grave of ' + token;
    if (locks.add(grave, process.pid + ' ' + Date.now() + ' ' + Math.random())) {
        locks.delete(key);
    } else if (locks.get(key) === token) {
        bury(grave);
    }
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

export default { knows, read, write, hold, held, upstream, alive, alone, until };
