// The answers that are the proxy's own.

function broken(r, e) {
    r.error('fig: ' + e.message);
    problem(r, 503, 'routing-failed', 'Routing failed', 'The proxy could not decide where this request belongs.');
}

function problem(r, status, code, title, detail) {
    r.headersOut['Content-Type'] = 'application/problem+json';
    if (status === 503) {
        r.headersOut['Retry-After'] = '1';
    }
    r.return(status, JSON.stringify({ type: '/problems/' + code, title: title, status: status, detail: detail }) + '\n');
}

export default { broken, problem };
