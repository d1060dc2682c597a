// Idempotency keys outlive a reload: what was sent under one and not answered is asked for again under the same.
// The key belongs to what is sent (`about`): other contents are another request.

function name(action) {
    return `key:${action}`;
}

export function keyFor(action, about = '') {
    const kept = JSON.parse(sessionStorage.getItem(name(action)) || 'null');
    if (kept && kept.about === about) {
        return kept.key;
    }
    const key = uuid();
    sessionStorage.setItem(name(action), JSON.stringify({ key, about }));
    return key;
}

export function isPending(action) {
    return sessionStorage.getItem(name(action)) !== null;
}

// Once the outcome is known, whatever it is.
export function settle(action) {
    sessionStorage.removeItem(name(action));
}

// crypto.randomUUID is for https and localhost only; a shop in a home network has neither.
function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
