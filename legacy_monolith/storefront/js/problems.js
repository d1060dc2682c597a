// Problem details (RFC 9457) as sentences for people.

const WORDS = {
    'not-authenticated': 'Please log in first.',
    'wrong-credentials': 'E-mail address and password do not match.',
    'wrong-password': 'This is not your current password.',
    'wrong-code': 'This is not the code that we sent.',
    'no-code': 'There is no code to check. Ask for a new one.',
    'code-used': 'This code was used before. Ask for a new one.',
    'code-expired': 'This code is too old. Ask for a new one.',
    'code-exhausted': 'This code was tried too often. Ask for a new one.',
    'phone-not-verified': 'Verify your phone number first.',
    'email-taken': 'There is an account with this e-mail address already.',
    'csrf-token-invalid': 'This page is too old. Reload it and try again.',
    'role-required': 'Only sellers can do this.',
    'not-owner': 'This belongs to somebody else.',
    'not-found': 'We cannot find this.',
    'out-of-stock': 'There are not enough of these left.',
    'not-available': 'This is not for sale any more.',
    'cart-empty': 'Your cart is empty.',
    'cart-full': 'Your cart holds 100 different things already.',
    'checkout-in-progress': 'Your order is still being worked on. Try again in a moment.',
    'checkout-expired': 'Your order could not be finished in time. Your cart is as it was; please order again.',
    'order-failed': 'This order was never placed. Nothing was charged.',
    'amount-not-payable': 'No card can be charged with this amount.',
    'order-not-paid': 'There is no money to give back for this order.',
    'refund-too-large': 'This is more than can be given back.',
    'version-mismatch': 'This product was changed meanwhile. Reload the page and edit it again.',
    'request-key-reused': 'This was sent before with other contents. Reload the page and try again.',
    'messages-not-configured': 'This shop cannot send text messages.',
    'messages-unavailable': 'Text messages cannot be sent right now. Try again in a minute.',
    'payments-not-configured': 'This shop takes no payments.',
    'temporarily-unavailable': 'The shop is busy right now. Nothing is lost; try again in a moment.',
    'identity-unavailable': 'The shop is busy right now. Nothing is lost; try again in a moment.',
};

export class Problem extends Error {
    constructor(status, document = {}, retryAfter = 0) {
        super(document.title || 'Something went wrong.');
        this.status = status;
        this.code = (document.type || '').replace('/problems/', '');
        this.facts = document;
        this.fields = document.errors || [];
        this.retryAfter = retryAfter;
    }

    static async of(answer) {
        const document = await answer.json().catch(() => ({}));
        return new Problem(answer.status, document, Number(answer.headers.get('Retry-After')) || 0);
    }

    is(code) {
        return this.code === code;
    }

    get words() {
        if (this.is('too-many-requests')) {
            return `Too many attempts. Try again ${waiting(this.retryAfter)}.`;
        }
        if (this.is('wrong-code') && Number.isInteger(this.facts.attempts_left)) {
            return `${WORDS['wrong-code']} ${tries(this.facts.attempts_left)}`;
        }
        if (this.is('out-of-stock') && Number.isInteger(this.facts.stock)) {
            return this.facts.stock ? `Only ${this.facts.stock} of these are left.` : 'This is sold out.';
        }
        if (this.is('invalid-fields')) {
            return 'Please correct what is marked.';
        }
        return WORDS[this.code] || this.facts.title || 'Something went wrong here. Please try again.';
    }
}

export function unreachable() {
    const problem = new Problem(0);
    problem.facts.title = 'The shop cannot be reached. Check your connection and try again.';
    return problem;
}

// Anything that was thrown, for people.
export function inWords(error) {
    if (error instanceof Problem) {
        return error.words;
    }
    console.error(error);
    return 'Something went wrong on this page. Please reload it.';
}

function waiting(seconds) {
    return seconds > 90 ? `in ${Math.ceil(seconds / 60)} minutes` : seconds > 1 ? `in ${seconds} seconds` : 'in a moment';
}

function tries(left) {
    return left === 0 ? 'That was the last try; ask for a new code.' : left === 1 ? 'One try is left.' : `${left} tries are left.`;
}
