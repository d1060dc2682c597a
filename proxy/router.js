// What nginx asks of us for each request: which side it goes to, whether it has to wait, what becomes of it when a
// fence refuses it. See proxy/templates/nginx.conf.j2 for where each function is called.
import table from 'table.js';
import marks from 'marks.js';
import counts from 'counts.js';
import shadow from 'shadow.js';
import canary from 'canary.js';

const FENCED = /^([a-z][a-z0-9_-]{0,62}) (0|[1-9][0-9]{0,14})$/;

// Access phase, where nginx.conf's $fig_native does not decide alone: returns nothing when the request may go on at
// once, a promise when it has to wait.
function access(r) {
    const vs = r.variables;
    try {
        const domain = vs.fig_domain;
        const mark = vs.cookie_fig_mark;
        const writes = domain && vs.fig_safety !== 'safe';
        if (writes && !mark) {
            return enter(r, vs, domain);
        }
        const route = domain && table.read(domain);
        place(vs, route);
        if (route && route.share && canary.takes(vs, route)) {
            r.internalRedirect('@canary_' + domain);
            return;
        }
        if (mark && unseen(vs)) {
            return fresh(r, vs);
        }
        if (writes) {
            return enter(r, vs, domain);
        }
    } catch (e) {
        broken(r, e);
    }
}

// The route decides side and upstream; requests of no domain keep the default upstream.
function place(vs, route) {
    if (route) {
        vs.fig_epoch = route.epoch;
        vs.fig_side = route.owner;
        vs.fig_upstream = table.upstream(vs.fig_domain, route.owner);
    }
}

// A write, at once or when its domain is no longer held.
function enter(r, vs, domain) {
    const route = admit(vs, domain);
    if (!route) {
        return held(r, vs);
    }
    if (route.share) {
        canary.greet(vs);
    }
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
            vs.fig_admitted = others ? others.filter(function (d) { return d !== domain; }).concat([domain]).join(', ') : domain;
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
// belongs to it. Only the internal listener believes this header.
function admitted(vs) {
    return vs.fig_listener === 'internal' && vs.fig_passed_admission ? vs.fig_passed_admission.split(/ *, */) : null;
}

async function held(r, vs) {
    const start = Date.now();
    let entered = false;
    try {
        entered = await table.until(function () { return admit(vs, vs.fig_domain); }, settings.limits.longest_hold_ms);
    } catch (e) {
        broken(r, e);
        return;
    }
    waited(vs, start);
    if (!entered) {
        counts.count('fig_hold_expired_total', vs.fig_domain);
        problem(r, 503, 'held', 'Held', 'Writes of "' + vs.fig_domain + '" are being moved and took too long.');
    }
}

function waited(vs, start) {
    vs.fig_held = Date.now() - start;
    counts.count('fig_holds_total', vs.fig_domain);
    counts.observe('fig_hold_seconds', 'domain="' + vs.fig_domain + '"', vs.fig_held / 1000, 1);
}

function unseen(vs) {
    return marks.missing(marks.parse(vs.cookie_fig_mark), vs.uri, vs.fig_domain, vs.fig_upstream);
}

// Wait until the side that serves this request has applied the user's own writes, then go the ordinary way.
async function fresh(r, vs) {
    const domain = unseen(vs);
    try {
        counts.count('fig_stale_waits_total', domain);
        const seen = await table.until(function () {
            place(vs, vs.fig_domain && table.read(vs.fig_domain));
            return !unseen(vs);
        }, settings.limits.longest_mark_wait_ms);
        if (!seen) {
            counts.count('fig_stale_refused_total', domain);
            problem(r, 503, 'not-caught-up', 'Not caught up',
                'Your own last change of "' + domain + '" has not arrived where this request reads it.');
            return;
        }
        if (vs.fig_domain && vs.fig_safety !== 'safe' && !admit(vs, vs.fig_domain)) {
            await held(r, vs);
        }
    } catch (e) {
        broken(r, e);
    }
}

// The service failed a canary's read, was too slow with its first byte, or refused it: the owner answers it, once, and
// no user sees an error. Counted as the service's.
function fallback(r) {
    const vs = r.variables;
    try {
        if (settings.identity && vs.fig_identity_status !== '204' && vs.fig_identity_status !== '200') {
            problem(r, 503, 'identity-unavailable', 'Identity unavailable', 'Who you are cannot be checked right now.');
            return;
        }
        vs.fig_canary = /504$/.test(vs.upstream_status) ? 'slow' : 'failed';
        counts.fallback(vs.fig_domain, vs.fig_canary);
        place(vs, table.read(vs.fig_domain));
        r.internalRedirect('@again');
    } catch (e) {
        broken(r, e);
    }
}

// An upstream answered 421. Its answer's body is gone, the request's is still buffered.
function misdirected(r) {
    const vs = r.variables;
    const fence = vs.upstream_http_x_fig_fenced;
    if (fence === undefined || fence === '') {
        return honest(r, vs);
    }
    const found = FENCED.exec(fence);
    if (!found || found[1] !== vs.fig_domain) {
        return unexpected(r, vs, fence);
    }
    return bounce(r, vs, +found[2]).catch(function (e) { broken(r, e); });
}

// A 421 of the application's own. HTTP lets us ask again, and for a safe method that is how its body gets through;
// another method is never sent twice, so there only the status remains.
function honest(r, vs) {
    if (vs.fig_safety === 'safe') {
        r.internalRedirect('@untouched');
    } else {
        problem(r, 421, 'misdirected', 'Misdirected request', 'The application answered 421.');
    }
}

// Wait for the owner that comes after the one that refused, then send the same request once more.
async function bounce(r, vs, fenced) {
    const start = Date.now();
    const routed = +vs.fig_epoch;
    const write = vs.fig_safety !== 'safe';
    // While it waits it is not in flight: the drain of the very switch it waits for would wait for it.
    counts.leave(vs.fig_inflight);
    vs.fig_inflight = '';
    let explained = true;
    const moved = await table.until(function () {
        const route = table.read(vs.fig_domain);
        explained = table.held(route) || route.epoch > routed || route.epoch < fenced;
        if (!explained) {
            return true;
        }
        if (route.epoch <= routed) {
            return false;
        }
        if (write) {
            return admit(vs, vs.fig_domain);
        }
        place(vs, route);
        return !table.held(route);
    }, settings.limits.longest_hold_ms);
    if (!explained) {
        unexpected(r, vs, vs.fig_domain + ' ' + fenced);
        return;
    }
    waited(vs, start);
    if (!moved) {
        counts.count('fig_hold_expired_total', vs.fig_domain);
        problem(r, 503, 'held', 'Held', 'A switch of "' + vs.fig_domain + '" began and took too long.');
        return;
    }
    counts.count('fig_bounces_total', vs.fig_domain);
    vs.fig_bounced = 1;
    r.internalRedirect('@again');
}

// The request was refused by the side it bounced to as well.
function refused(r) {
    const vs = r.variables;
    unexpected(r, vs, vs.upstream_http_x_fig_fenced || 'nothing');
}

function unexpected(r, vs, fence) {
    counts.count('fig_unexpected_fences_total', vs.fig_domain || '-');
    r.error('fig: unexpected fence: route ' + (vs.fig_domain || '-') + ' at epoch ' + (vs.fig_epoch || '-') + ', side ' +
        (vs.fig_side || '-') + ', refused by ' + JSON.stringify(fence) + ', request ' + vs.fig_request_id);
    problem(r, 503, 'unexpected-fence', 'Not owned here',
        'The request wrote to data that is owned elsewhere, and no switch explains it.');
}

function broken(r, e) {
    r.error('fig: ' + e.message);
    problem(r, 503, 'routing-failed', 'Routing failed', 'The proxy could not decide where this request belongs.');
}

function problem(r, status, code, title, detail) {
    r.headersOut['Content-Type'] = 'application/problem+json';
    if (status === 503) {
        r.headersOut['Retry-After'] = '1';
    }
    r.return(status, JSON.stringify({ type: '/problems/' + code, title: title, status: status, detail: detail }) + '\n');
}

// Where the session check goes: to the owner of its path, like any other internal request.
function identity() {
    const domain = settings.identity_domain;
    return table.upstream(domain, table.read(domain).owner);
}

// The mark for the user who has just written, or '' (then nginx adds no header).
function mark(r) {
    const vs = r.variables;
    if (!vs.fig_domain || vs.fig_safety === 'safe' || vs.fig_listener === 'internal' || !vs.fig_admitted) {
        return '';
    }
    return marks.header(vs.cookie_fig_mark, vs.fig_domain, vs.fig_epoch);
}

// Log phase, as the condition of a log that is never written: '' always.
function done(r) {
    const vs = r.variables;
    try {
        counts.leave(vs.fig_inflight);
        vs.fig_sampled = shadow.sampled(vs);
    } catch (e) {
        r.error('fig: ' + e.message);
    }
    return '';
}

export default { access, fallback, misdirected, refused, identity, mark, done };
