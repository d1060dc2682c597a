// What requests count on their way, in shared dictionaries. This is loaded anew for every request that needs a script:
// keep it small, and let what is rarely needed be made inside the functions.
const counts = ngx.shared.fig_counts;
const flights = ngx.shared.fig_inflight;

// A full dictionary must not fail a request: the figure is lost, and error.log says so.
function add(name, labels, value) {
    try {
        counts.incr(name + '{' + labels, value, 0);
    } catch (e) {
        ngx.log(ngx.ERR, 'fig: a figure is lost: ' + e.message);
        lose(1);
    }
}

// The entry is made when the figures are first asked for (figures.js); counting up one that is there needs no memory.
function lose(number) {
    const key = 'fig_figures_lost_total{';
    if (counts.has(key)) {
        counts.incr(key, number);
    }
}

function count(name, domain) {
    add(name, 'domain="' + domain + '"', 1);
}

function fallback(domain, reason) {
    add('fig_canary_fallbacks_total', 'domain="' + domain + '",reason="' + reason + '"', 1);
}

// The least bound that is not exceeded.
function bucket(seconds) {
    const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    let i = 0;
    while (i < bounds.length && seconds > bounds[i]) {
        i++;
    }
    return i < bounds.length ? bounds[i] : '+Inf';
}

// `times` requests that took so long.
function observe(name, labels, seconds, times) {
    // Buckets are kept apart here and summed up when printed: one increment instead of fourteen.
    add(name + '_bucket', labels + ',le="' + bucket(seconds) + '"', times);
    add(name + '_sum', labels, seconds * times);
}

// Writes in flight are counted per worker, because the counts of a worker that was killed never fall again.
// Returns the key that `leave` wants, or '' where counting failed (then the fence alone protects that write).
function enter(domain) {
    const key = domain + '|' + process.pid;
    try {
        flights.incr(key, 1, 0);
        return key;
    } catch (e) {
        ngx.log(ngx.ERR, 'fig: a write is not counted: ' + e.message);
        return '';
    }
}

function leave(key) {
    if (key) {
        flights.incr(key, -1, 0);
    }
}

// nginx ends the machine that runs this together with the request, whatever becomes of it and wherever it is redirected
// to. One action a machine. (So no log phase needs a machine only to count down.)
function atEnd(action) {
    njs.on('exit', action);
}

export default { add, lose, count, fallback, bucket, observe, enter, leave, atEnd };
