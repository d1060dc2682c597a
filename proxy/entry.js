// How a request is placed and a write is let in: counted, and only while its domain is not held.
import answers from 'answers.js';
import counts from 'counts.js';
import table from 'table.js';

// The route decides side and upstream; requests of no domain keep the default upstream.
function place(vs, route) {
    if (route) {
        vs.fig_epoch = route.epoch;
        vs.fig_side = route.owner;
        vs.fig_upstream = table.upstream(vs.fig_domain, route.owner);
    }
}

// Let a write in until the request ends, unless its domain is held: returns its route then.
function enter(vs) {
    const route = admit(vs, vs.fig_domain);
    if (route) {
        const key = vs.fig_inflight;
        counts.atEnd(function () { counts.leave(key); });
    }
    return route;
}

// Let a write in, counted, unless its domain is held: returns its route then. It is counted first and looks at the
// route second: otherwise a drain could see no write in flight while this one is on its way to the old owner.
function admit(vs, domain) {
    const key = counts.enter(domain);
    let route;
    try {
        const found = table.read(domain);
        place(vs, found);
        const others = admitted(vs);
        if (!table.held(found) || (others && others.includes(domain))) {
            vs.fig_inflight = key;
            vs.fig_admitted = others ?
                others.filter(function (d) { return d !== domain; }).concat([domain]).join(', ') : domain;
            route = found;
        }
    } finally {
        if (!route) {
            counts.leave(key);
        }
    }
    return route;
}

// Domains under which the caller itself was let in: a hold waits for that request's end, so it must not hold up what
// belongs to it. Only the internal listener believes this header; null if there is none.
function admitted(vs) {
    return vs.fig_listener === 'internal' && vs.fig_passed_admission ? vs.fig_passed_admission.split(/ *, */) : null;
}

// Resolves to whether it was let in; who was not has been answered.
async function held(r, vs) {
    const start = Date.now();
    let entered = false;
    try {
        entered = await table.until(function () { return enter(vs); }, settings.limits.longest_hold_ms);
    } catch (e) {
        answers.broken(r, e);
        return false;
    }
    waited(vs, start);
    if (!entered) {
        counts.count('fig_hold_expired_total', vs.fig_domain);
        answers.problem(r, 503, 'held', 'Held', 'Writes of "' + vs.fig_domain + '" are being moved and took too long.');
    }
    return entered;
}

function waited(vs, start) {
    vs.fig_held = Date.now() - start;
    counts.count('fig_holds_total', vs.fig_domain);
    counts.observe('fig_hold_seconds', 'domain="' + vs.fig_domain + '"', vs.fig_held / 1000, 1);
}

export default { place, admit, enter, held, waited };
