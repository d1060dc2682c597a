// What becomes of a request that an upstream has refused with 421.
import answers from 'answers.js';
import counts from 'counts.js';
import entry from 'entry.js';
import table from 'table.js';

const FENCED = /^([a-z][a-z0-9_-]{0,62}) (0|[1-9][0-9]{0,14})$/;

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
    return bounce(r, vs, +found[2]).catch(function (e) { answers.broken(r, e); });
}

// A 421 of the application's own. HTTP lets us ask again, and for a safe method that is how its body gets through;
// another method is never sent twice, so there only the status remains.
function honest(r, vs) {
    if (vs.fig_safety === 'safe') {
        r.internalRedirect('@untouched');
    } else {
        answers.problem(r, 421, 'misdirected', 'Misdirected request', 'The application answered 421.');
    }
}

// Wait for the owner that comes after the one that refused, then send the same request once more.
async function bounce(r, vs, fenced) {
    const start = Date.now();
    const routed = +vs.fig_epoch;
    const write = vs.fig_safety !== 'safe';
    const count = pause(vs);
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
            return count(entry.admit(vs, vs.fig_domain));
        }
        entry.place(vs, route);
        return !table.held(route);
    }, settings.limits.longest_hold_ms);
    if (!explained) {
        unexpected(r, vs, vs.fig_domain + ' ' + fenced);
        return;
    }
    entry.waited(vs, start);
    if (!moved) {
        counts.count('fig_hold_expired_total', vs.fig_domain);
        answers.problem(r, 503, 'held', 'Held', 'A switch of "' + vs.fig_domain + '" began and took too long.');
        return;
    }
    counts.count('fig_bounces_total', vs.fig_domain);
    vs.fig_bounced = 1;
    r.internalRedirect('@again');
}

// While a write waits here it is not in flight: the drain of the very switch it waits for would wait for it. The machine
// that let it in counts it down when the request ends (counts.atEnd), whatever happens here; so if it is not let in once
// more, or was not counted the first time, that is made good then.
function pause(vs) {
    const before = vs.fig_inflight;
    const domain = vs.fig_domain;
    let after = '';
    counts.leave(before);
    vs.fig_inflight = '';
    counts.atEnd(function () {
        if (before && !after) {
            counts.enter(domain);
        } else if (!before) {
            counts.leave(after);
        }
    });
    return function (route) {
        after = vs.fig_inflight;
        return route;
    };
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
    answers.problem(r, 503, 'unexpected-fence', 'Not owned here',
        'The request wrote to data that is owned elsewhere, and no switch explains it.');
}

export default { misdirected, refused };
