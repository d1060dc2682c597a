import { get, send } from '../api.js';
import { announce, fill, find, h, parameter } from '../dom.js';
import { onSubmit } from '../forms.js';
import { clock, price } from '../format.js';
import { isPending, keyFor, settle } from '../keys.js';
import { Problem } from '../problems.js';
import { notice, page } from '../shell.js';
import { required } from '../session.js';
import { paymentForm } from '../stripe.js';

const UNDECIDED = ['checkout-in-progress', 'temporarily-unavailable', 'identity-unavailable'];

function orderAddress(order) {
    return `/order?id=${order.id}&new=1`;
}

function steps(now) {
    return h('ol', { class: 'steps' }, ['Check', 'Pay', 'Done'].map((name, index) => h('li', { 'aria-current': index === now ? 'step' : null }, name)));
}

function lines(items, total) {
    return h('div', { class: 'panel' }, h('ul', { class: 'plain-lines' }, items.map((item) => h('li', {},
        h('span', {}, `${item.quantity} × ${item.title}`), h('span', { class: 'price' }, price(item.unit_price), item.quantity > 1 ? ' each' : '')))),
    h('p', { class: 'sum-line' }, h('span', {}, 'Total'), h('strong', { class: 'price large' }, price(total))));
}

// The key is kept until the outcome is known: whatever breaks in between, there is one order.
async function order(key) {
    try {
        const placed = await send('POST', '/api/payments/checkout', { headers: { 'Idempotency-Key': key }, repeatable: true });
        settle('checkout');
        return placed;
    } catch (problem) {
        if (problem instanceof Problem && problem.status && problem.status !== 401 && !UNDECIDED.includes(problem.code)) {
            settle('checkout');
        }
        throw problem;
    }
}

async function pay(placed) {
    const { payment } = placed;
    if (!payment || !payment.client_secret) {
        location.replace(orderAddress(placed));
        return;
    }
    const place = h('div', { class: 'payment-place' });
    const form = h('form', { class: 'panel' }, h('h2', {}, 'Pay'), h('p', { class: 'quiet' }, `Your things are kept for you until ${clock(payment.expires_at)}.`),
        place, h('button', { type: 'submit', class: 'button strong wide' }, `Pay ${price(payment.amount)}`));
    fill(find('#content'), steps(1), h('div', { class: 'split' }, lines(placed.lines, placed.total), form));
    announce('Your order is kept for you. Now pay.');
    const stripe = await paymentForm(payment.client_secret);
    stripe.mount(place);
    onSubmit(form, async () => {
        const address = new URL(orderAddress(placed), location.origin).href;
        const wrong = await stripe.pay(address);
        if (wrong) {
            const problem = new Problem(402);
            problem.facts.title = wrong;
            throw problem;
        }
        location.assign(address);
    });
}

async function check() {
    const cart = await get('/api/payments/cart');
    if (!cart.items.length && !isPending('checkout')) {
        fill(find('#content'), notice('cart', 'There is nothing to order', h('a', { class: 'button strong', href: '/' }, 'Look around')));
        return;
    }
    const words = cart.items.length ? `Order for ${price(cart.total)}` : 'See what became of your order';
    const form = h('form', { class: 'panel' }, h('h2', {}, 'Ready?'),
        h('p', { class: 'quiet' }, 'You can cancel the order afterwards on its page.'), h('button', { type: 'submit', class: 'button strong wide' }, words));
    fill(find('#content'), steps(0), h('div', { class: 'split' }, cart.items.length ? lines(cart.items, cart.total) : h('div', {}), form));
    onSubmit(form, async () => pay(await order(keyFor('checkout'))));
}

page(async () => {
    await required();
    const id = parameter('order');
    if (!id) {
        await check();
        return;
    }
    // An order that was left unpaid: asked for again under its own key, it tells how to pay.
    const former = await get(`/api/payments/orders/${encodeURIComponent(id)}`);
    await pay(former.payment?.state === 'unpaid' ? await order(former.key) : former);
});
