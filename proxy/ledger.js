// The figures of answered requests. nginx itself writes one short line for each ("<domain>|<side>|<safe or unsafe>|
// <status>|<seconds>"), within 100 ms, so that a request at rest needs no script; here the lines are added up, each
// second and whenever somebody asks. Two books take turns, for a file can be emptied without loss only when nobody
// writes to it any more, and no worker has lines for it.
//
// Exact, wherever a worker is killed: what a part of a book makes of the figures, and how far it reaches, is one entry
// (fig_redo) before any figure changes. Whoever finds such an entry writes it down once more: it holds sums, not what is
// to be added, and nobody else changes these series.
import fs from 'fs';
import counts from 'counts.js';
import change from 'change.js';

const state = ngx.shared.fig_ledger;
const redo = ngx.shared.fig_redo;
const figures = ngx.shared.fig_counts;
const FULL = 4000000;
const PART = 65536;
const SETTLED_MS = 1000;  // Ten times as long as a worker may keep a line to itself.

function book(number) {
    return settings.folder + '/figures.' + number;
}

function add(vs) {
    return change.alone('/ledger', function () {
        finish();
        const open = state.get('place') % 2 || 0;
        turn(vs, open);
        if (state.has('closed')) {
            read(1 - open, 'closed at', state.get('closed at'), function (at) { return at; });
            if (Date.now() - state.get('closed') > SETTLED_MS) {
                fs.writeFileSync(book(1 - open), '');
                state.delete('closed');
            }
        }
        const at = read(open, 'place', ((state.get('place') || 0) - open) / 2, function (at) { return at * 2 + open; });
        if (at > FULL && !state.has('closed')) {
            state.set('closed at', at);
            state.set('closed', Date.now());
            // Which book is open, and how far it has been read, is one number: there is nothing between the two.
            state.set('place', 1 - open);
            turn(vs, 1 - open);
        }
    });
}

// From now on requests write to this book. Where they did not yet, the other one settles from now on.
function turn(vs, open) {
    if ((vs.fig_book === '1' ? 1 : 0) !== open) {
        if (state.has('closed')) {
            state.set('closed', Date.now());
        }
        vs.fig_book = '' + open;
    }
}

// Adds up the whole lines of a book from a position on, in parts; returns the next position. `kept` makes of a position
// what the state keeps under `key`.
function read(number, key, from, kept) {
    if (fs.statSync(book(number)).size <= from) {
        return from;
    }
    const part = Buffer.alloc(PART);
    const file = fs.openSync(book(number), 'r');
    let at = from;
    try {
        for (let length = PART; length === PART;) {
            length = fs.readSync(file, part, 0, PART, at);
            const text = part.slice(0, length).toString();
            const end = text.lastIndexOf('\n');
            if (end < 0) {
                break;
            }
            at += end + 1;
            redo.set('part', JSON.stringify({ key: key, value: kept(at), sums: sums(text.slice(0, end).split('\n')) }));
            finish();
        }
    } finally {
        fs.closeSync(file);
    }
    return at;
}

// What a worker has found out and not, or not wholly, written down.
function finish() {
    const text = redo.get('part');
    if (text === undefined) {
        return;
    }
    const found = JSON.parse(text);
    Object.keys(found.sums).forEach(function (series) { put(series, found.sums[series]); });
    state.set(found.key, found.value);
    redo.delete('part');
}

// A full dictionary must not stop the others: the figure is lost, and error.log says so.
function put(series, value) {
    try {
        figures.set(series, value);
    } catch (e) {
        ngx.log(ngx.ERR, 'fig: a figure is lost: ' + e.message);
        counts.lose(1);
    }
}

// The figures as they are after these lines.
function sums(lines) {
    const times = {};
    lines.forEach(function (line) { times[line] = (times[line] || 0) + 1; });
    const after = {};
    Object.keys(times).forEach(function (line) { enter(after, line.split('|'), times[line]); });
    return after;
}

function enter(after, line, times) {
    function more(series, value) {
        after[series] = (after[series] === undefined ? figures.get(series) || 0 : after[series]) + value;
    }
    if (line.length !== 5) {
        counts.lose(times);
        return;
    }
    const labels = 'domain="' + (line[0] || '-') + '",side="' + (line[1] || '-') + '",method="' +
        (line[2] === 'safe' ? 'read' : 'write') + '"';
    more('fig_requests_total{' + labels + ',status="' + line[3][0] + 'xx"', times);
    more('fig_request_seconds_bucket{' + labels + ',le="' + counts.bucket(+line[4]) + '"', times);
    more('fig_request_seconds_sum{' + labels, +line[4] * times);
}

export default { add };
