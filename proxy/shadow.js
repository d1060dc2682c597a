// Which requests are shown to the shadow comparer: a random share of the reads of a domain, for as long as the
// comparer keeps asking for them. One that died or froze asks no more, and the sampling ends by itself.
// What is chosen leaves as one datagram in the log phase (nginx.conf: fig_sample), after the client has its answer.
import figures from 'figures.js';

const shares = ngx.shared.fig_shadow;

// `parts` of 10,000 requests, until a moment in unix ms.
function ask(domain, parts, until) {
    shares.set(domain, parts + '|' + until);
}

// '1' for a request that is to be shown, '' for all others.
function sampled(r, vs) {
    const value = vs.fig_domain && vs.request_method === 'GET' && shares.get(vs.fig_domain);
    if (!value || vs.http_content_length || vs.http_transfer_encoding || vs.http_range) {
        return '';
    }
    const asked = value.split('|');
    if (+asked[1] < Date.now() || Math.random() * 10000 >= +asked[0]) {
        return '';
    }
    figures.count(r, 'fig_shadow_samples_total', vs.fig_domain);
    return '1';
}

export default { ask, sampled };
