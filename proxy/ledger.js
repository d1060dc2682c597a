// The figures of answered requests. nginx itself writes one short line for each ("<domain>|<side>|<safe or unsafe>|
// <status>|<seconds>"), within 100 ms, so that a request at rest needs no script; here the lines are added up, each
// second and whenever somebody asks. Two books take turns, for a file can be emptied without loss only when nobody
// writes to it any more, and no worker has lines for it.
import fs from 'fs';
import counts from 'counts.js';
import change from 'change.js';

const state = ngx.shared.fig_ledger;
const FULL = 4000000;
const SETTLED_MS = 1000;

function book(number) {
    return settings.folder + '/figures.' + number;
}

// Whoever is killed between adding and noting how far that was leaves a part to be added twice, never one left out.
function add(vs) {
    return change.alone('/ledger', function () {
        const open = state.get('open') || 0;
        if (state.has('closed')) {
            const closed = state.get('closed');
            state.set('closed at', read(1 - open, state.get('closed at')));
            if (Date.now() - closed > SETTLED_MS) {
                fs.writeFileSync(book(1 - open), '');
                state.delete('closed');
            }
        }
        const at = read(open, state.get('at') || 0);
        state.set('at', at);
        if (at > FULL && !state.has('closed')) {
            state.set('closed at', at);
            state.set('closed', Date.now());
            state.set('at', 0);
            state.set('open', 1 - open);
            vs.fig_book = '' + (1 - open);
        }
    });
}

// Adds up the whole lines of a book from a position on; returns the next position.
function read(number, from) {
    if (fs.statSync(book(number)).size <= from) {
        return from;
    }
    const times = {};
    const part = Buffer.alloc(65536);
    const file = fs.openSync(book(number), 'r');
    let at = from;
    try {
        for (let length = part.length; length === part.length;) {
            length = fs.readSync(file, part, 0, part.length, at);
            const text = part.slice(0, length).toString();
            const end = text.lastIndexOf('\n');
            if (end < 0) {
                break;
            }
            text.slice(0, end).split('\n').forEach(function (line) { times[line] = (times[line] || 0) + 1; });
            at += end + 1;
        }
    } finally {
        fs.closeSync(file);
    }
    Object.keys(times).forEach(function (line) { enter(line.split('|'), times[line]); });
    return at;
}

function enter(line, times) {
    if (line.length !== 5) {
        counts.lose(times);
        return;
    }
    const labels = 'domain="' + (line[0] || '-') + '",side="' + (line[1] || '-') + '",method="' +
        (line[2] === 'safe' ? 'read' : 'write') + '"';
    counts.add('fig_requests_total', labels + ',status="' + line[3][0] + 'xx"', times);
    counts.observe('fig_request_seconds', labels, +line[4], times);
}

export default { add };
