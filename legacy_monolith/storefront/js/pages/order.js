import { get, send } from '../api.js';
import { art } from '../art.js';
import { chip, orderChip, productAddress } from '../cards.js';
import { announce, fill, find, h, parameter } from '../dom.js';
import { busy } from '../forms.js';
import { clock, price, time } from '../format.js';
import { icon } from '../icons.js';
import { inWords } from '../problems.js';
import { notice, page } from '../shell.js';
import { required } from '../session.js';

const REFUNDS = { intended: ['On its way', 'few'], made: ['Given back', 'good'], refused: ['Refused', 'gone'], failed: ['Failed', 'gone'] };

function line(one) {
    return h('li', { class: 'line' }, h('a', { class: 'line-art', href: productAddress(one.product_id), tabindex: '-1', 'aria-hidden': 'true' }, art(one.title, '')),
        h('div', { class: 'line-words' }, h('h2', {}, h('a', { href: productAddress(one.product_id) }, one.title)),
            one.current_title !== one.title ? h('p', { class: 'quiet' }, `now called ${one.current_title}`) : null),
        h('p', {}, `${one.quantity} × `, h('span', { class: 'price' }, price(one.unit_price))));
}

function refunds(payment) {
    return payment && payment.refunds.length ? h('section', { class: 'panel' }, h('h2', {}, 'Money back'), h('ul', { class: 'plain-lines' },
        payment.refunds.map((refund) => h('li', {}, h('span', {}, time(refund.created_at), ' ', chip(REFUNDS[refund.state] || [refund.state, 'quiet'])),
            h('span', { class: 'price' }, price(refund.amount)))))) : null;
}

function cancelling(order) {
    if (order.state !== 'placed') {
        return null;
    }
    const dialog = find('#cancel');
    dialog.setAttribute('aria-labelledby', 'cancel-title');
    const problem = h('p', { class: 'form-problem', role: 'alert', hidden: true });
    const sure = h('button', { type: 'button', class: 'button danger', onclick: () => busy(sure, async () => {
        try {
            // Cancelling twice is cancelling once.
            const now = await send('POST', `/api/payments/orders/${order.id}/cancel`, { repeatable: true });
            show(now);
            announce('The order is cancelled.');
            dialog.close();
            follow(now).catch(() => {});
        } catch (error) {
            fill(problem, inWords(error));
            problem.hidden = false;
        }
    }) }, 'Cancel this order');
    fill(dialog, h('h2', { id: 'cancel-title' }, 'Cancel this order?'), h('p', {}, order.payment ? 'What was paid is given back to your card.' : 'Everything goes back to the shelf.'),
        problem, h('p', { class: 'buttons' }, sure, h('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, 'Keep it')));
    return h('button', { type: 'button', class: 'button', onclick: () => dialog.showModal() }, 'Cancel the order…');
}

function show(order) {
    const { payment } = order;
    const unpaid = order.state === 'placed' && payment?.state === 'unpaid';
    fill(find('#content'),
        h('p', { class: 'path' }, h('a', { href: '/orders' }, 'Orders'), ` / ${order.id}`),
        parameter('new') && order.state === 'placed' && !unpaid ? h('div', { class: 'thanks' }, icon('check'), h('p', {}, h('strong', {}, 'Thank you!'), ' Your order is placed, and the seller knows.')) : null,
        h('div', { class: 'title-row' }, h('h1', {}, `Order ${order.id}`), orderChip(order.state, payment?.state)),
        h('div', { class: 'split' }, h('ul', { class: 'lines panel' }, order.lines.map(line)),
            h('div', { class: 'stack' }, h('section', { class: 'panel sum', 'aria-label': 'Sum' },
                h('p', { class: 'sum-line' }, h('span', {}, 'Total'), h('strong', { class: 'price large' }, price(order.total))),
                payment && Number(payment.refunded) ? h('p', { class: 'sum-line' }, h('span', {}, 'Given back'), h('strong', {}, price(payment.refunded))) : null,
                h('p', { class: 'quiet' }, `Ordered on ${time(order.created_at)}.`),
                unpaid ? h('p', {}, h('a', { class: 'button strong wide', href: `/checkout?order=${order.id}` }, `Pay until ${clock(payment.expires_at)}`)) : null,
                cancelling(order)), refunds(payment))));
}

function isOnItsWay({ state, payment }) {
    const coming = parameter('new') && payment?.state === 'unpaid';
    const goingBack = state === 'cancelled' && payment?.state === 'paid';
    return state === 'pending' || state === 'cancelling' || coming || goingBack;
}

// Stripe tells the shop that money has come or gone, and that may take a moment.
async function follow(order) {
    for (let turn = 0; turn < 20 && isOnItsWay(order); turn++) {
        await new Promise((done) => setTimeout(done, 400 + 200 * turn));
        const now = await get(`/api/payments/orders/${order.id}`);
        if (now.state !== order.state || now.payment?.state !== order.payment?.state) {
            show(now);
        }
        order = now;
    }
}

page(async () => {
    await required();
    const id = parameter('id') || '';
    if (!/^[1-9]\d{0,17}$/.test(id)) {
        fill(find('#content'), notice('orders', 'Which order?', h('a', { class: 'button', href: '/orders' }, 'Your orders')));
        return;
    }
    const order = await get(`/api/payments/orders/${id}`);
    document.title = `Order ${order.id} · Figtree Market`;
    show(order);
    follow(order).catch(() => {});
});
