// Who is logged in. The cookie is not for scripts, so a mark in the browser says whether it is worth asking:
// visitors cause no request that could only be refused.
import { forgetToken, get, send } from './api.js';
import { Problem } from './problems.js';

const MARK = 'signed-in';

let asked = null;

async function ask() {
    try {
        const user = await get('/api/users/me');
        localStorage.setItem(MARK, '1');
        return user;
    } catch (problem) {
        if (problem instanceof Problem && problem.status === 401) {
            localStorage.removeItem(MARK);
            return null;
        }
        throw problem;
    }
}

// The user or null. `surely` asks even if this browser knows of nobody.
export function me(surely = false) {
    if (!surely && !localStorage.getItem(MARK)) {
        return Promise.resolve(null);
    }
    asked = asked || ask();
    return asked;
}

export function loginAddress() {
    return `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
}

// For pages that are somebody's own; visitors are sent to log in, and come back.
export async function required() {
    const user = await me(true);
    if (!user) {
        location.replace(loginAddress());
        return new Promise(() => {});
    }
    return user;
}

export function entered(user) {
    localStorage.setItem(MARK, '1');
    forgetToken();
    asked = Promise.resolve(user);
}

export async function logOutEverywhere() {
    await send('POST', '/api/users/logout');
    left();
}

export function left() {
    localStorage.removeItem(MARK);
    sessionStorage.clear();
    forgetToken();
    asked = null;
}

// Where to go after logging in: an address of this shop, nothing else.
export function nextAddress(fallback = '/') {
    const wanted = new URLSearchParams(location.search).get('next') || fallback;
    const address = new URL(wanted, location.origin);
    return address.origin === location.origin ? address.pathname + address.search : fallback;
}
