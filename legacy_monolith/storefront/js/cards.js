// Products and states as they are shown in several places.
import { art } from './art.js';
import { h } from './dom.js';
import { capital, price } from './format.js';

export function productAddress(id) {
    return `/product?id=${id}`;
}

export function stockWords(product) {
    if (product.status === 'withdrawn' || product.status === 'archived') {
        return ['No longer sold', 'gone'];
    }
    if (product.status === 'hidden') {
        return ['Hidden', 'quiet'];
    }
    if (product.stock === 0) {
        return ['Sold out', 'gone'];
    }
    return product.stock <= 5 ? [`Only ${product.stock} left`, 'few'] : ['In stock', 'good'];
}

export function chip([words, tone]) {
    return h('span', { class: `chip ${tone}` }, words);
}

export function productCard(product) {
    const [words, tone] = stockWords(product);
    return h('li', { class: 'card' }, h('a', { href: productAddress(product.id), class: 'card-link' },
        h('div', { class: 'card-art' }, art(product.title, product.category), tone === 'good' ? null : chip([words, tone])),
        h('div', { class: 'card-words' }, h('h3', {}, product.title), h('p', { class: 'quiet' }, capital(product.category)),
            h('p', { class: 'price' }, price(product.price)))));
}

export function waitingCards(number) {
    return Array.from({ length: number }, () => h('li', { class: 'card waiting', 'aria-hidden': 'true' },
        h('div', { class: 'card-art' }), h('div', { class: 'card-words' }, h('p', { class: 'bone' }), h('p', { class: 'bone short' }))));
}

const ORDER_STATES = {
    pending: ['Being placed', 'few'],
    placed: ['Placed', 'good'],
    cancelling: ['Being cancelled', 'few'],
    cancelled: ['Cancelled', 'gone'],
    failed: ['Not placed', 'gone'],
};
const PAYMENT_STATES = {
    unpaid: ['Waiting for payment', 'few'],
    expiring: ['Payment time is over', 'gone'],
    cancelling: ['Being cancelled', 'few'],
    cancelled: ['Cancelled', 'gone'],
    paid: ['Paid', 'good'],
    partly_refunded: ['Partly refunded', 'few'],
    refunded: ['Refunded', 'gone'],
};

// One chip for both; the payment says more, unless the order itself is over.
export function orderChip(orderState, paymentState) {
    const shown = paymentState && orderState !== 'cancelled' && orderState !== 'failed';
    const refunded = paymentState === 'refunded' || paymentState === 'partly_refunded';
    return chip(((shown || refunded) && PAYMENT_STATES[paymentState]) || ORDER_STATES[orderState] || [capital(orderState), 'quiet']);
}
