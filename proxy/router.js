// What nginx asks of us for each request: which side it goes to, whether it has to wait, what becomes of it when a
// fence refuses it. See proxy/templates/nginx.conf.j2 for where each function is called.
import answers from 'answers.js';
import canary from 'canary.js';
import counts from 'counts.js';
import entry from 'entry.js';
import marks from 'marks.js';
import shadow from 'shadow.js';
import table from 'table.js';

// Access phase, where nginx.conf's $fig_away says so: returns at once when the request may go on at once,
// a promise when it has to wait.
function access(r) {
    const vs = r.variables;
    try {
        const domain = vs.fig_domain;
        if (!writes(vs)) {
            const route = domain && table.read(domain);
            entry.place(vs, route);
            vs.fig_sampled = shadow.sampled(vs);
            if (route && route.share && canary.takes(vs, route)) {
                r.internalRedirect('@canary_' + domain);
                return;
            }
        }
        return decided(r, vs);
    } catch (e) {
        answers.broken(r, e);
    }
}

function writes(vs) {
    return vs.fig_domain && vs.fig_safety !== 'safe';
}

// A write is let in once all of its body is here, for a drain waits for whoever was let in, and a client may take its
// time. So this is called in the content phase, before which nginx receives the body, in memory or in a file. (In the
// access phase njs could, but its promise is never kept when a part of the body had come with the head and the rest is
// in the socket already.)
async function received(r) {
    try {
        if (await decided(r, r.variables)) {
            r.internalRedirect('@admitted');
        }
    } catch (e) {
        answers.broken(r, e);
    }
}

// Whether the request may go on, or a promise of it; what may not go on has been answered.
function decided(r, vs) {
    if (vs.cookie_fig_mark) {
        entry.place(vs, vs.fig_domain && table.read(vs.fig_domain));
        if (unseen(vs)) {
            return fresh(r, vs);
        }
    }
    return !writes(vs) || enter(r, vs);
}

// A write, at once or when its domain is no longer held.
function enter(r, vs) {
    if (vs.cookie_fig_mark) {
        vs.fig_other_marks = marks.others(vs.cookie_fig_mark, vs.fig_domain);
    }
    const route = entry.enter(vs);
    if (!route) {
        return entry.held(r, vs);
    }
    if (route.share) {
        canary.greet(vs);
    }
    return true;
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
            entry.place(vs, vs.fig_domain && table.read(vs.fig_domain));
            return !unseen(vs);
        }, settings.limits.longest_mark_wait_ms);
        if (!seen) {
            counts.count('fig_stale_refused_total', domain);
            answers.problem(r, 503, 'not-caught-up', 'Not caught up',
                'Your own last change of "' + domain + '" has not arrived where this request reads it.');
            return false;
        }
        return !writes(vs) || await enter(r, vs);
    } catch (e) {
        answers.broken(r, e);
        return false;
    }
}

// The service failed a canary's read, was too slow with its first byte, or refused it: the owner answers it, once, and
// no user sees an error. Counted as the service's.
function fallback(r) {
    const vs = r.variables;
    try {
        if (settings.identity && vs.fig_identity_status !== '204' && vs.fig_identity_status !== '200') {
            answers.problem(r, 503, 'identity-unavailable', 'Identity unavailable',
                'Who you are cannot be checked right now.');
            return;
        }
        vs.fig_canary = /504$/.test(vs.upstream_status) ? 'slow' : 'failed';
        counts.fallback(vs.fig_domain, vs.fig_canary);
        entry.place(vs, table.read(vs.fig_domain));
        r.internalRedirect('@again');
    } catch (e) {
        answers.broken(r, e);
    }
}

// Where the session check goes: to the owner of its path, like any other internal request.
function identity() {
    const domain = settings.identity_domain;
    return table.upstream(domain, table.read(domain).owner);
}

export default { access, received, fallback, identity };
