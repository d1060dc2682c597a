// Changes of the route table (table.js), one at a time for each domain, in whichever worker.
// All of a route but the hold is also in a file per domain, written before the value is visible and before any ack.
//
// What requests at rest follow without a script is a copy (nginx.conf: $fig_live): "<epoch> <owner>" where reads of the
// domain simply go to the owner, and nothing where a script must look (a canary, a sampling, or nobody knows). The copy
// is taken away before a change and put back after it, both under the domain's lock: a worker that dies in between
// leaves no copy, never an old one, and `tend` makes it anew.
import fs from 'fs';
import table from 'table.js';
import sampling from 'sampling.js';

const routes = ngx.shared.fig_routes;
const locks = ngx.shared.fig_locks;

function write(vs, domain, route) {
    copy(vs, domain, '');
    const part = table.file(domain) + '.' + process.pid;
    fs.writeFileSync(part, JSON.stringify({
        epoch: route.epoch, owner: route.owner, share: route.share, revision: route.revision,
    }));
    fs.renameSync(part, table.file(domain));
    routes.set(domain, table.text(route));
    publish(vs, domain);
}

// A hold lives in the dictionary only: a proxy that was restarted lets writes through to the fence, which is safe.
// It is for writes, which always pass a script: the copy may stay.
function hold(domain, route, until) {
    routes.set(domain, table.text(Object.assign(route, { until: until })));
}

// Only under the domain's lock.
function publish(vs, domain) {
    const route = table.read(domain);
    copy(vs, domain, route.share || sampling.parts(domain) ? '' : route.epoch + ' ' + route.owner);
}

function copy(vs, domain, value) {
    vs.fig_copied = domain;
    vs.fig_copy = value;
}

// Put in place what a start, a death, or the end of a sampling has left without a copy.
async function tend(vs) {
    const domains = Object.keys(settings.domains);
    for (let i = 0; i < domains.length; i++) {
        await alone(domains[i], function () { publish(vs, domains[i]); });
    }
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
        await table.pause(2);
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

export default { write, hold, publish, tend, alive, alone };
