import { get, send } from '../api.js';
import { art } from '../art.js';
import { productAddress } from '../cards.js';
import { announce, fill, find, h } from '../dom.js';
import { busy } from '../forms.js';
import { price } from '../format.js';
import { inWords } from '../problems.js';
import { notice, page, showCart } from '../shell.js';
import { required } from '../session.js';

function problem(error) {
    const words = inWords(error);
    fill(find('#problem'), words);
    announce(words);
}

async function change(work) {
    fill(find('#problem'));
    try {
        await work();
        show(await get('/api/payments/cart'));
    } catch (error) {
        problem(error);
    }
}

function line(item) {
    const address = `/api/payments/cart/items/${item.product_id}`;
    const id = `quantity-${item.product_id}`;
    const number = h('input', { id, type: 'number', min: 1, max: 1000, value: item.quantity, inputmode: 'numeric', onchange: () => {
        const quantity = Math.min(Math.max(Math.round(Number(number.value)) || 1, 1), 1000);
        change(async () => {
            await send('PUT', address, { body: { quantity }, repeatable: true });
            announce(`${quantity} of ${item.title}.`);
        }).then(() => find(`#${id}`)?.focus());
    } });
    const remove = h('button', { type: 'button', class: 'link', onclick: () => busy(remove, () => change(async () => {
        await send('DELETE', address, { repeatable: true });
        announce(`${item.title} is out of your cart.`);
    })) }, 'Remove', h('span', { class: 'unseen' }, ` ${item.title}`));
    return h('li', { class: 'line' }, h('a', { class: 'line-art', href: productAddress(item.product_id), tabindex: '-1', 'aria-hidden': 'true' }, art(item.title, '')),
        h('div', { class: 'line-words' }, h('h2', {}, h('a', { href: productAddress(item.product_id) }, item.title)),
            item.available ? h('p', { class: 'quiet' }, `${price(item.unit_price)} each`) : h('p', { class: 'warning' }, 'Not available in this quantity')),
        h('div', { class: 'line-tools' }, h('label', { class: 'unseen', for: id }, `Quantity of ${item.title}`), number, remove));
}

function show(cart) {
    showCart(cart);
    if (!cart.items.length) {
        fill(find('#content'), notice('cart', 'Your cart is empty', h('p', {}, 'Something good is surely waiting for you.'), h('a', { class: 'button strong', href: '/' }, 'Look around')));
        return;
    }
    const ready = cart.items.every((item) => item.available);
    fill(find('#content'), h('div', { class: 'split' },
        h('ul', { class: 'lines panel' }, cart.items.map(line)),
        h('aside', { class: 'panel sum', 'aria-label': 'Sum' },
            h('p', { class: 'sum-line' }, h('span', {}, 'Total'), h('strong', { class: 'price large' }, price(cart.total))),
            h('p', { class: 'quiet' }, 'Prices are final when you order.'),
            ready ? h('a', { class: 'button strong wide', href: '/checkout' }, 'Go to checkout')
                : h('p', { class: 'warning' }, 'Change or remove what is not available; then you can go on.'))));
}

page(async () => {
    await required();
    show(await get('/api/payments/cart'));
});
