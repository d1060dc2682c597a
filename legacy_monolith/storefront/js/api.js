// The JSON API. A safe request is asked again calmly while the shop is busy; so is one that names its own key.
// Anything else is sent once, and who pressed the button decides.
import { Problem, unreachable } from './problems.js';

const PATIENCE_MS = 60000;
const BUSY = new Set([502, 503, 504]);
const SAFE = new Set(['GET', 'HEAD']);

let token = null;

function pause(ms) {
    return new Promise((done) => setTimeout(done, ms));
}

// Until the next login or logout.
export function forgetToken() {
    token = null;
}

async function csrfToken() {
    if (token === null) {
        token = (await get('/api/users/csrf')).csrf_token;
    }
    return token;
}

async function once(method, path, { body, headers = {}, signal } = {}) {
    const sent = { Accept: 'application/json', ...headers };
    if (!SAFE.has(method)) {
        sent['X-CSRF-Token'] = await csrfToken();
    }
    if (body !== undefined) {
        sent['Content-Type'] = 'application/json';
    }
    let answer;
    try {
        answer = await fetch(path, { method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (error) {
        if (error.name === 'AbortError') {
            throw error;
        }
        throw unreachable();
    }
    if (answer.ok) {
        return answer.status === 204 ? null : answer.json();
    }
    throw await Problem.of(answer);
}

// The shell says so to whoever waits.
function waitingForShop(waits) {
    document.dispatchEvent(new CustomEvent('shop-waits', { detail: waits }));
}

function mayPass(problem) {
    return problem.status === 0 || BUSY.has(problem.status) || problem.is('checkout-in-progress');
}

// Some refusals are called 503 and do not pass by waiting.
function forGood(problem) {
    return problem.code.endsWith('-not-configured') || problem.is('messages-unavailable');
}

async function repeated(method, path, options) {
    const deadline = Date.now() + PATIENCE_MS;
    for (let step = 500; ; step = Math.min(step * 2, 4000)) {
        try {
            const answer = await once(method, path, options);
            waitingForShop(false);
            return answer;
        } catch (problem) {
            const wait = problem.retryAfter ? problem.retryAfter * 1000 : step;
            if (!(problem instanceof Problem) || !mayPass(problem) || forGood(problem) || Date.now() + wait > deadline) {
                waitingForShop(false);
                throw problem;
            }
            waitingForShop(true);
            // Not all at the same moment.
            await pause(wait + Math.random() * 250);
        }
    }
}

export function get(path, options) {
    return repeated('GET', path, options);
}

// `repeatable`: the same request again has no second effect (a PUT, or one with a key of its own).
export async function send(method, path, { repeatable = false, ...options } = {}) {
    const ask = repeatable ? repeated : once;
    try {
        return await ask(method, path, options);
    } catch (problem) {
        if (!(problem instanceof Problem) || !problem.is('csrf-token-invalid')) {
            throw problem;
        }
        // A refused request has changed nothing. The session is another one than this page began with.
        forgetToken();
        return ask(method, path, options);
    }
}
