// Traffic figures and the writes in flight, as counts.js and ledger.js have them; printed as Prometheus text.
import change from 'change.js';
import table from 'table.js';

const counts = ngx.shared.fig_counts;
const flights = ngx.shared.fig_inflight;
const applied = ngx.shared.fig_applied;
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SINCE = 'fig_figures_since_seconds{';
const LOST = 'fig_figures_lost_total{';

const HELP = {
    fig_requests_total: 'counter Requests answered.',
    fig_request_seconds: 'histogram Time from the first byte of a request to the last of its answer.',
    fig_holds_total: 'counter Writes that waited for a hold to end.',
    fig_hold_seconds: 'histogram How long they waited.',
    fig_hold_expired_total: 'counter Writes answered 503 because a hold or a bounce outlasted its bound.',
    fig_bounces_total: 'counter Requests refused by a fence and sent again to the new owner.',
    fig_unexpected_fences_total: 'counter Requests refused by a fence that no switch explains.',
    fig_stale_waits_total: 'counter Requests that waited until the side they read had the user\'s own write.',
    fig_stale_refused_total: 'counter Those of them answered 503 because it took too long.',
    fig_shadow_samples_total: 'counter Reads shown to the shadow comparer.',
    fig_canary_share: 'gauge Share of the users whose reads of the domain the service answers while the monolith owns.',
    fig_canary_fallbacks_total: 'counter Reads that the service failed or was too slow with, and the owner answered.',
    fig_canary_own_writes_total: 'counter Reads that the owner answered as the service had not yet the user\'s own write.',
    fig_canary_stale_total: 'counter Reads that the owner answered as the service\'s copy had grown old.',
    fig_figures_since_seconds: 'gauge When these figures were first asked for since this proxy began; another one: it began anew.',
    fig_figures_lost_total: 'counter Figures that could not be counted.',
    fig_inflight_writes: 'gauge Writes let in and not answered yet.',
    fig_route_epoch: 'gauge Epoch of the route.',
    fig_route_owner: 'gauge 1 for the side that owns the domain.',
    fig_route_held: 'gauge 1 while writes of the domain are held.',
    fig_applied_through_seconds: 'gauge Up to which time a side has applied the other\'s changes.',
};

// Whoever concludes from figures that nothing happened must know that they are whole: since when they are counted,
// and how many were lost. Both entries are made when the figures are first asked for.
function begin() {
    counts.add(SINCE, Date.now() / 1000);
    counts.add(LOST, 0);
    // An alarm asks whether they have grown, and what is not there yet cannot be seen to grow.
    Object.keys(settings.domains).concat('-').forEach(function (domain) {
        counts.add('fig_unexpected_fences_total{domain="' + domain + '"', 0);
    });
}

function inflight(domain) {
    let writes = 0;
    flights.items(100000).forEach(function (item) {
        const parts = item[0].split('|');
        if (parts[0] !== domain) {
            return;
        }
        if (change.alive(parts[1])) {
            writes += item[1];
        } else {
            flights.delete(item[0]);
        }
    });
    return writes;
}

function gauges(lines) {
    Object.keys(settings.domains).sort().forEach(function (domain) {
        const route = table.read(domain);
        const label = '{domain="' + domain + '"';
        lines.push(['fig_inflight_writes' + label, inflight(domain)]);
        lines.push(['fig_route_epoch' + label, route.epoch]);
        lines.push(['fig_route_held' + label, table.held(route) ? 1 : 0]);
        if (settings.domains[domain].canary) {
            lines.push(['fig_canary_share' + label, route.share / 10000]);
        }
        ['monolith', 'service'].forEach(function (side) {
            const through = applied.get(domain + '|' + side);
            lines.push(['fig_route_owner' + label + ',side="' + side + '"', route.owner === side ? 1 : 0]);
            if (through !== undefined) {
                lines.push(['fig_applied_through_seconds' + label + ',side="' + side + '"', through / 1000]);
            }
        });
    });
}

// Cumulative buckets and the count, as Prometheus wants them.
function histograms(buckets, lines) {
    Object.keys(buckets).forEach(function (series) {
        let total = 0;
        BOUNDS.concat(['+Inf']).forEach(function (bound) {
            total += buckets[series][bound] || 0;
            lines.push([series + ',le="' + bound + '"', total]);
        });
        lines.push([series.replace('_bucket{', '_count{'), total]);
    });
}

// Others see whose figure it is; in the dictionary each byte of a key counts.
function shown(name) {
    return 'fig_proxy_' + name.slice(4);
}

// Each line looked at once: meanwhile this worker answers nobody.
function byName(lines) {
    const named = {};
    lines.forEach(function (line) {
        const stem = line[0].slice(0, line[0].indexOf('{'));
        const name = HELP[stem] ? stem : stem.slice(0, stem.lastIndexOf('_'));
        named[name] = named[name] || [];
        named[name].push(line);
    });
    return named;
}

function metrics() {
    begin();
    const lines = [];
    const buckets = {};
    counts.items(100000).forEach(function (item) {
        const found = /^(.*),le="([^"]*)"$/.exec(item[0]);
        if (found) {
            buckets[found[1]] = buckets[found[1]] || {};
            buckets[found[1]][found[2]] = item[1];
        } else {
            lines.push(item);
        }
    });
    histograms(buckets, lines);
    gauges(lines);
    const text = [];
    const named = byName(lines);
    Object.keys(HELP).forEach(function (name) {
        const kind = HELP[name].split(' ')[0];
        const own = named[name];
        if (own) {
            text.push('# HELP ' + shown(name) + ' ' + HELP[name].slice(kind.length + 1));
            text.push('# TYPE ' + shown(name) + ' ' + kind);
            own.forEach(function (line) { text.push(shown(line[0]) + '} ' + line[1]); });
        }
    });
    return text.join('\n') + '\n';
}

export default { inflight, metrics };
