// A user's own writes: the cookie "fig_mark" says for each domain under which epoch and when they last wrote
// ("catalog.7.1732368000000~users.3.1732367990000"), so that they are never shown a copy older than that.
import table from 'table.js';

const applied = ngx.shared.fig_applied;
const MARK = /^([a-z][a-z0-9_-]{0,62})\.(0|[1-9][0-9]{0,14})\.([1-9][0-9]{12})$/;

// The valid marks of a cookie; one bad mark spoils the whole cookie, which no browser of ours ever sent.
function parse(cookie) {
    const marks = {};
    const now = Date.now();
    const parts = cookie.length > 2048 ? [''] : cookie.split('~');
    for (let i = 0; i < parts.length; i++) {
        const found = MARK.exec(parts[i]);
        if (!found || !table.knows(found[1]) || marks[found[1]] !== undefined || +found[3] > now) {
            return {};
        }
        if (now - found[3] < settings.limits.mark_seconds * 1000) {
            marks[found[1]] = { epoch: +found[2], ms: +found[3] };
        }
    }
    return marks;
}

function within(path, prefixes) {
    for (let i = 0; i < prefixes.length; i++) {
        if (path === prefixes[i] || path.startsWith(prefixes[i] + '/')) {
            return true;
        }
    }
    return false;
}

// The first marked domain whose writes the upstream that would serve this request may not have yet, or ''.
function missing(marks, path, domain, upstream) {
    const names = Object.keys(marks);
    for (let i = 0; i < names.length; i++) {
        const name = names[i];
        const concerned = name === domain || within(path, settings.domains[name].read_by);
        if (concerned && !covered(name, marks[name], upstream)) {
            return name;
        }
    }
    return '';
}

function covered(name, mark, upstream) {
    const route = table.read(name);
    if (route.epoch < mark.epoch) {
        return false;
    }
    const upstreams = settings.domains[name].upstreams;
    if (upstreams[route.owner] === upstream) {
        return true;
    }
    const side = Object.keys(upstreams).filter(function (s) { return upstreams[s] === upstream; })[0];
    // An upstream that is neither side keeps no copy of this domain.
    return side === undefined || (applied.get(name + '|' + side) || 0) >= mark.ms;
}

// Those of all domains but the one that is written to, as the beginning of the new cookie (nginx.conf: $fig_marked). Its
// time is taken when the answer's head is there, so never earlier than the commit.
function others(cookie, domain) {
    const marks = parse(cookie);
    return Object.keys(marks).map(function (name) {
        return name === domain ? '' : name + '.' + marks[name].epoch + '.' + marks[name].ms + '~';
    }).join('');
}

export default { parse, missing, others };
