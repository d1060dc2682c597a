// What nginx asks of us for each request: which side it goes to, whether it has to wait, what becomes of it when a
// fence refuses it. See proxy/templates/nginx.conf.j2 for where each function is called.
import settings from 'settings.js';
import table from 'table.js';
import marks from 'marks.js';
import figures from 'figures.js';
import shadow from 'shadow.js';
import canary from 'canary.js';

const FENCED = /^([a-z][a-z0-9_-]{0,62}) (0|[1-9][0-9]{0,14})$/;

// Access phase: returns at once when the request may go on at once, a promise when it has to wait.
function access(r) {
    const vs = r.variables;
    try {
        if (vs.fig_listener === 'internal') {
            vs.fig_admitted = vs.fig_passed_admission;
        }
        if (vs.fig_domain && !figures.SAFE[vs.request_method] && bodied(vs)) {
            return whole(r, vs);
        }
        const route = place(vs);
        if (route && route.share && canary.takes(r, vs, route)) {
            r.internalRedirect('@canary_' + vs.fig_domain);
            return;
        }
        return decided(r, vs);
    } catch (e) {
        broken(r, e);
    }
}

// Whether there is a body, or may be one: HTTP/2 need not say how long it is.
function bodied(vs) {
    const length = vs.content_length;
    return length ? length !== '0' : vs.http_transfer_encoding || vs.server_protocol === 'HTTP/2.0';
}

// A write is let in once all of its body is here, for a drain waits for whoever was let in, and a client may take its
// time. What fits into a buffer is read here; njs would read a file into memory, so the rest goes another way.
function whole(r, vs) {
    if (vs.content_length <= settings.limits.body_buffer) {
        return r.readRequestArrayBuffer().then(function () {
            place(vs);
            return decided(r, vs);
        }).catch(function (e) { broken(r, e); });
    }
    r.internalRedirect('@received');
}

// Content phase: all of the body is here, in memory or in a file. However slowly it came, nobody has waited for it.
async function received(r) {
    const vs = r.variables;
    try {
        place(vs);
        if (await decided(r, vs)) {
            r.internalRedirect('@admitted');
        }
    } catch (e) {
        broken(r, e);
    }
}

// Whether the request may go on, or a promise of it; what may not go on has been answered.
function decided(r, vs) {
    if (vs.cookie_fig_mark && unseen(vs)) {
        return fresh(r, vs);
    }
    return !vs.fig_domain || figures.SAFE[vs.request_method] || admit(r, vs) || held(r, vs);
}

// The route decides side and upstream; requests of no domain keep the default upstream.
function place(vs) {
    const domain = vs.fig_domain;
    if (domain) {
        const route = table.read(domain);
        vs.fig_epoch = route.epoch;
        vs.fig_side = route.owner;
        vs.fig_upstream = table.upstream(domain, route.owner);
        return route;
    }
}

// Let a write in, counted, unless its domain is held. It is counted first and looks at the route second: otherwise a
// drain could see no write in flight while this one is on its way to the old owner.
function admit(r, vs) {
    const domain = vs.fig_domain;
    const key = figures.enter(r, domain);
    let entered = false;
    try {
        const route = place(vs);
        if (!table.held(route) || admitted(vs).includes(domain)) {
            vs.fig_inflight = key;
            vs.fig_admitted = admitted(vs).filter(function (d) { return d !== domain; }).concat([domain]).join(', ');
            entered = true;
        }
    } finally {
        if (!entered) {
            figures.leave(key);
        }
    }
    return entered;
}

// Domains under which the caller itself was let in: a hold waits for that request's end, so it must not hold up what
// belongs to it. Only the internal listener believes this header.
function admitted(vs) {
    return vs.fig_listener === 'internal' && vs.fig_passed_admission ? vs.fig_passed_admission.split(/ *, */) : [];
}

async function held(r, vs) {
    const start = Date.now();
    let entered = false;
    try {
        entered = await table.until(function () { return admit(r, vs); }, settings.limits.longest_hold_ms);
    } catch (e) {
        broken(r, e);
        return false;
    }
    waited(r, vs, start);
    if (!entered) {
        figures.count(r, 'fig_hold_expired_total', vs.fig_domain);
        problem(r, 503, 'held', 'Held', 'Writes of "' + vs.fig_domain + '" are being moved and took too long.');
    }
    return entered;
}

function waited(r, vs, start) {
    vs.fig_held = Date.now() - start;
    figures.count(r, 'fig_holds_total', vs.fig_domain);
    figures.observe(r, 'fig_hold_seconds', 'domain="' + vs.fig_domain + '"', vs.fig_held / 1000);
}

function unseen(vs) {
    return marks.missing(marks.parse(vs.cookie_fig_mark), vs.uri, vs.fig_domain, vs.fig_upstream);
}

// Wait until the side that serves this request has applied the user's own writes, then go the ordinary way.
async function fresh(r, vs) {
    const domain = unseen(vs);
    try {
        figures.count(r, 'fig_stale_waits_total', domain);
        const seen = await table.until(function () {
            place(vs);
            return !unseen(vs);
        }, settings.limits.longest_mark_wait_ms);
        if (!seen) {
            figures.count(r, 'fig_stale_refused_total', domain);
            problem(r, 503, 'not-caught-up', 'Not caught up',
                'Your own last change of "' + domain + '" has not arrived where this request reads it.');
            return false;
        }
        return !vs.fig_domain || figures.SAFE[vs.request_method] || admit(r, vs) || await held(r, vs);
    } catch (e) {
        broken(r, e);
        return false;
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
        figures.fallback(r, vs.fig_domain, vs.fig_canary);
        place(vs);
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
    if (figures.SAFE[vs.request_method]) {
        r.internalRedirect('@untouched');
    } else {
        problem(r, 421, 'misdirected', 'Misdirected request', 'The application answered 421.');
    }
}

// Wait for the owner that comes after the one that refused, then send the same request once more.
async function bounce(r, vs, fenced) {
    const start = Date.now();
    const routed = +vs.fig_epoch;
    const write = !figures.SAFE[vs.request_method];
    // While it waits it is not in flight: the drain of the very switch it waits for would wait for it.
    figures.leave(vs.fig_inflight);
    vs.fig_inflight = '';
    let explained = true;
    const moved = await table.until(function () {
        const route = table.read(vs.fig_domain);
        explained = table.held(route) || route.epoch > routed || route.epoch < fenced;
        if (!explained) {
            return true;
        }
        return route.epoch > routed && (write ? admit(r, vs) : !table.held(route) && place(vs));
    }, settings.limits.longest_hold_ms);
    if (!explained) {
        unexpected(r, vs, vs.fig_domain + ' ' + fenced);
        return;
    }
    waited(r, vs, start);
    if (!moved) {
        figures.count(r, 'fig_hold_expired_total', vs.fig_domain);
        problem(r, 503, 'held', 'Held', 'A switch of "' + vs.fig_domain + '" began and took too long.');
        return;
    }
    figures.count(r, 'fig_bounces_total', vs.fig_domain);
    vs.fig_bounced = 1;
    r.internalRedirect('@again');
}

// The request was refused by the side it bounced to as well.
function refused(r) {
    const vs = r.variables;
    unexpected(r, vs, vs.upstream_http_x_fig_fenced || 'nothing');
}

function unexpected(r, vs, fence) {
    figures.count(r, 'fig_unexpected_fences_total', vs.fig_domain || '-');
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
function identity(r) {
    const domain = settings.identity_domain;
    return domain ? table.upstream(domain, table.read(domain).owner) : settings.default_upstream;
}

// The mark for the user who has just written, or '' (then nginx adds no header).
function mark(r) {
    const vs = r.variables;
    if (!vs.fig_domain || figures.SAFE[vs.request_method] || vs.fig_listener === 'internal' || !vs.fig_admitted) {
        return '';
    }
    return marks.header(vs.cookie_fig_mark, vs.fig_domain, vs.fig_epoch);
}

// Log phase, as the condition of a log that is never written: '' always.
function done(r) {
    const vs = r.variables;
    try {
        figures.leave(vs.fig_inflight);
        figures.answered(r, vs);
        vs.fig_sampled = shadow.sampled(r, vs);
    } catch (e) {
        r.error('fig: ' + e.message);
    }
    return '';
}

export default { access, received, fallback, misdirected, refused, identity, mark, done };
