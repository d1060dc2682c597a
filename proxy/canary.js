// Canary of reads: while the monolith owns and writes, a share of the users has a domain's reads answered by the
// service. Who is in follows from the proxy's own cookie "fig_visitor" alone, so it stays so from page to page, whichever
// worker or proxy is asked, and raising the share only adds users.
//
// Only a client that has brought that cookie back is ever in: one that keeps no cookies would also lose the mark of its
// own writes (marks.js), and nobody could tell which answers are too old for it.
import table from 'table.js';
import marks from 'marks.js';
import counts from 'counts.js';

const applied = ngx.shared.fig_applied;
const VISITOR = /^[0-9a-f]{32}$/;
const SIDE = 'service';

// Whether the service answers this request; then nginx.conf's "@canary_<domain>" does the rest.
function takes(vs, route) {
    const domain = vs.fig_domain;
    if (!greet(vs) || vs.fig_safety !== 'safe' || streams(vs) || !chosen(vs, route.share)) {
        return false;
    }
    const rules = settings.domains[domain].canary;
    if (Date.now() - (applied.get(domain + '|' + SIDE) || 0) > rules.applied_age_ms) {
        counts.count('fig_canary_stale_total', domain);
        return false;
    }
    const upstream = table.upstream(domain, SIDE);
    if (vs.cookie_fig_mark && marks.missing(marks.parse(vs.cookie_fig_mark), vs.uri, domain, upstream)) {
        counts.count('fig_canary_own_writes_total', domain);
        return false;
    }
    vs.fig_canary = 'service';
    vs.fig_side = SIDE;
    vs.fig_upstream = upstream;
    return true;
}

// Whether somebody who uses the domain during a canary has brought the cookie; who has not is given one.
function greet(vs) {
    if (vs.fig_listener === 'internal') {
        return false;
    }
    const known = VISITOR.test(vs.cookie_fig_visitor || '');
    if (!known) {
        vs.fig_visitor = welcome();
    }
    return known;
}

// An answer without end: the bound of the first byte is one of every pause, and would cut it off.
function streams(vs) {
    return (vs.http_accept || '').includes('text/event-stream') || vs.http_upgrade;
}

function chosen(vs, share) {
    const rules = settings.domains[vs.fig_domain].canary;
    return !belongs(vs, rules.never) &&
        (bucket(vs.cookie_fig_visitor, rules.salt) < share || belongs(vs, rules.always));
}

function belongs(vs, cohorts) {
    for (let i = 0; i < cohorts.length; i++) {
        const value = vs[cohorts[i].variable];
        if (value === cohorts[i].value || (cohorts[i].below && value.startsWith(cohorts[i].value + '/'))) {
            return true;
        }
    }
    return false;
}

// 0 … 9999. The cookie is random already, so eight of its digits will do; they are mixed with the domain's salt
// (the last steps of MurmurHash3), for the same users must not be the first ones in every domain.
function bucket(visitor, salt) {
    let h = (parseInt(visitor.slice(0, 8), 16) ^ salt) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) % 10000;
}

// The Set-Cookie header for somebody who has none yet. It says nothing about anybody, and no log has it.
function welcome() {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16))).map(function (byte) {
        return (byte + 256).toString(16).slice(1);
    }).join('');
    return 'fig_visitor=' + id + '; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax' +
        (settings.secure_cookies ? '; Secure' : '');
}

export default { takes, greet };
