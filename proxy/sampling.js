// How many of a domain's reads the shadow comparer asks to see. One that died or froze asks no more, and the sampling
// ends by itself.
const shares = ngx.shared.fig_shadow;

// `parts` of 10,000 requests, until a moment in unix ms.
function ask(domain, parts, until) {
    shares.set(domain, parts + '|' + until);
}

// Of 10,000 requests; 0 when nobody asks (any more).
function parts(domain) {
    const value = shares.get(domain);
    if (!value) {
        return 0;
    }
    const asked = value.split('|');
    return +asked[1] < Date.now() ? 0 : +asked[0];
}

export default { ask, parts };
