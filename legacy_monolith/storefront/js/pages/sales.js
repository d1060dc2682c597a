import { get, send } from '../api.js';
import { orderChip } from '../cards.js';
import { announce, fill, find, h } from '../dom.js';
import { busy, field, onSubmit } from '../forms.js';
import { date, price } from '../format.js';
import { keyFor, settle } from '../keys.js';
import { Problem } from '../problems.js';
import { notice, page } from '../shell.js';
import { required } from '../session.js';

async function giveBack(orderId, amount) {
    const action = `refund:${orderId}`;
    try {
        const refund = await send('POST', `/api/payments/orders/${orderId}/refunds`,
            { body: { amount }, headers: { 'Idempotency-Key': keyFor(action, amount) }, repeatable: true });
        settle(action);
        return refund;
    } catch (problem) {
        if (problem instanceof Problem && problem.status && problem.status < 500) {
            settle(action);
        }
        throw problem;
    }
}

function askRefund(sale) {
    const dialog = find('#refund');
    dialog.setAttribute('aria-labelledby', 'refund-title');
    const form = h('form', {}, field('Amount in euro', h('input', { name: 'amount', required: true, inputmode: 'decimal', value: sale.total, pattern: '(0|[1-9][0-9]{0,7})([.,][0-9]{1,2})?', 'data-wrong': 'An amount is like 12.50.' }), { hint: 'At most what was paid for your things in this order.' }),
        h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'button danger' }, 'Give back'), h('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, 'Close')));
    onSubmit(form, async ({ amount }) => {
        const refund = await giveBack(sale.order_id, amount.replace(',', '.'));
        dialog.close();
        announce(refund.state === 'intended' ? 'The money is on its way back.' : `${price(refund.amount)} are given back.`);
        await start();
    });
    fill(dialog, h('h2', { id: 'refund-title' }, `Money back for order ${sale.order_id}`), form);
    dialog.showModal();
}

function row(sale) {
    const paid = sale.payment_state === 'paid' || sale.payment_state === 'partly_refunded';
    return h('tr', {}, h('td', { 'data-label': 'Product' }, h('a', { href: `/product?id=${sale.product_id}` }, sale.title), h('br'), h('span', { class: 'quiet' }, `Order ${sale.order_id}`)),
        h('td', { 'data-label': 'Sold' }, date(sale.created_at)), h('td', { 'data-label': 'Pieces', class: 'number' }, `${sale.quantity} × ${price(sale.unit_price)}`),
        h('td', { 'data-label': 'Total', class: 'number price' }, price(sale.total)), h('td', { 'data-label': 'State' }, orderChip(sale.order_state, sale.payment_state)),
        h('td', {}, paid ? h('button', { type: 'button', class: 'link', onclick: () => askRefund(sale) }, 'Money back…', h('span', { class: 'unseen' }, ` order ${sale.order_id}`)) : null));
}

async function add(body, cursor) {
    const found = await get(`/api/payments/sales?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    body.append(...found.items.map(row));
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, () => add(body, found.next_cursor)) }, 'Show older ones');
    fill(find('#more'), found.next_cursor && button);
    return found.items.length;
}

async function start() {
    const body = h('tbody');
    const shown = await add(body);
    fill(find('#content'), shown ? h('div', { class: 'panel' }, h('table', {}, h('caption', { class: 'unseen' }, 'Your sales, newest first'),
        h('thead', {}, h('tr', {}, ['Product', 'Sold', 'Pieces', 'Total', 'State'].map((name) => h('th', { scope: 'col' }, name)), h('td'))), body))
        : notice('sell', 'Nothing sold yet', h('p', {}, 'What people buy from you appears here.'), h('a', { class: 'button', href: '/sell' }, 'Your products')));
}

page(async () => {
    await required();
    await start();
});
