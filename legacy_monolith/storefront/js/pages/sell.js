import { get, send } from '../api.js';
import { art } from '../art.js';
import { chip, stockWords } from '../cards.js';
import { announce, fill, find, h } from '../dom.js';
import { busy, onSubmit } from '../forms.js';
import { count, price } from '../format.js';
import { keyFor, settle } from '../keys.js';
import { Problem } from '../problems.js';
import { notice, page } from '../shell.js';
import { required } from '../session.js';

// The key goes with this change of this product; without an answer it is kept for the next try.
async function adjust(product, delta) {
    const action = `stock:${product.id}`;
    try {
        const answer = await send('POST', `/api/catalog/products/${product.id}/stock`,
            { body: { delta, request_key: keyFor(action, String(delta)) }, repeatable: true });
        settle(action);
        return answer.stock;
    } catch (problem) {
        if (problem instanceof Problem && problem.status && problem.status < 500) {
            settle(action);
        }
        throw problem;
    }
}

function stockForm(product) {
    const id = `stock-${product.id}`;
    const form = h('form', { class: 'stock' },
        h('label', { class: 'unseen', for: id }, `Add to or take from the stock of ${product.title}`),
        h('input', { id, name: 'delta', type: 'number', step: 1, placeholder: '+5', required: true, inputmode: 'numeric' }),
        h('p', { class: 'field-error', id: `${id}-error`, hidden: true }), h('button', { type: 'submit', class: 'button' }, 'Change stock'));
    return onSubmit(form, async ({ delta }) => {
        const stock = await adjust(product, Number(delta));
        form.closest('li').replaceWith(row({ ...product, stock }));
        announce(`${product.title}: ${count(stock, 'piece')} in stock.`);
        find(`#${id}`).focus();
    });
}

function row(product) {
    const over = product.status === 'withdrawn' || product.status === 'archived';
    return h('li', { class: 'line' }, h('div', { class: 'line-art' }, art(product.title, product.category)),
        h('div', { class: 'line-words' }, h('h2', {}, h('a', { href: over ? `/product?id=${product.id}` : `/sell/product?id=${product.id}` }, product.title)),
            h('p', { class: 'quiet' }, price(product.price), ' · ', count(product.stock, 'piece'), ' ', chip(stockWords(product)))),
        over ? null : h('div', { class: 'line-tools' }, stockForm(product)));
}

async function add(list, user, cursor) {
    const found = await get(`/api/catalog/products?seller_id=${user.id}&limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    list.append(...found.items.map(row));
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, () => add(list, user, found.next_cursor)) }, 'Show more');
    fill(find('#more'), found.next_cursor && button);
    return found.items.length;
}

page(async () => {
    const user = await required();
    const content = find('#content');
    if (user.role !== 'seller') {
        fill(content, notice('sell', 'Sell something of your own', h('p', {}, 'It takes a verified phone number, and a minute.'), h('a', { class: 'button strong', href: '/account' }, user.phone ? 'Become a seller' : 'Verify your phone')));
        return;
    }
    find('#tools').hidden = false;
    const list = h('ul', { class: 'lines panel' });
    const shown = await add(list, user);
    fill(content, shown ? list : notice('sell', 'Nothing offered yet', h('p', {}, 'Your first product is one form away.'), h('a', { class: 'button strong', href: '/sell/product' }, 'Offer a product')));
});
