// Which requests are shown to the shadow comparer: a random share of the reads of a domain, for as long as the
// comparer keeps asking for them. What is chosen leaves as one datagram in the log phase (nginx.conf: fig_sample),
// after the client has its answer.
import counts from 'counts.js';
import sampling from 'sampling.js';

// '1' for a request that is to be shown, '' for all others.
function sampled(vs) {
    const domain = vs.fig_domain;
    const parts = domain && vs.request_method === 'GET' && sampling.parts(domain);
    if (!parts || vs.http_content_length || vs.http_transfer_encoding || vs.http_range || Math.random() * 10000 >= parts) {
        return '';
    }
    counts.count('fig_shadow_samples_total', domain);
    return '1';
}

export default { sampled };
