// Writes of a domain at rest: counted, placed, sent on. All else that may have to happen to a write (a hold, the mark of
// an own write, a canary) is router.js's. A machine is made anew for each request from all that its location imports, and
// that costs more than what it does here: so this imports nothing, not even the settings.
const routes = ngx.shared.fig_routes;
const flights = ngx.shared.fig_inflight;

// Access phase: it has no body.
function access(r) {
    if (!admit(r)) {
        r.internalRedirect('@script');
    }
}

// Content phase: all of its body is here (see router.js, received).
function received(r) {
    r.internalRedirect(admit(r) ? '@admitted' : '@receive_script');
}

// Counted first, and the route looked at second, as in entry.js; the same dictionaries, and the count falls when the
// request ends, as in counts.js. nginx has placed it before, by the copy of the route (each variable that is set here
// costs as much as the decision): only if the route itself says the same now, and of no hold and no canary, is it let in.
// Whatever is out of the ordinary is not let in here.
function admit(r) {
    const vs = r.variables;
    const domain = vs.fig_domain;
    const key = vs.fig_inflight;
    let counted = false;
    try {
        flights.incr(key, 1, 0);
        counted = true;
        njs.on('exit', function () { if (counted) { flights.incr(key, -1, 0); } });
        if (routes.get(domain).startsWith(vs.fig_at_rest)) {
            vs.fig_admitted = domain;
            return true;
        }
    } catch (e) {
        // A dictionary that is full, or has no route yet: router.js knows, and says, what to do.
        ngx.log(ngx.INFO, 'fig: ' + e.message);
    }
    if (counted) {
        counted = false;
        flights.incr(key, -1, 0);
    }
    return false;
}

export default { access, received };
