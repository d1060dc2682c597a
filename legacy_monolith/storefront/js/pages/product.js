import { get, send } from '../api.js';
import { art } from '../art.js';
import { chip, productCard, stockWords } from '../cards.js';
import { announce, fill, find, h, parameter } from '../dom.js';
import { field, onSubmit } from '../forms.js';
import { capital, date, price } from '../format.js';
import { notice, page, showCart } from '../shell.js';
import { loginAddress, me } from '../session.js';

const MOST = 1000;

function buying(product, user) {
    if (product.status !== 'active' || product.stock === 0) {
        return h('p', { class: 'quiet' }, 'This cannot be bought right now.');
    }
    if (!user) {
        return h('p', {}, h('a', { class: 'button strong', href: loginAddress() }, 'Log in to buy'));
    }
    const number = h('input', { type: 'number', name: 'quantity', value: 1, min: 1, max: Math.min(product.stock, MOST), step: 1, required: true, inputmode: 'numeric' });
    const said = h('p', { class: 'said' });
    const form = h('form', { class: 'buy' }, field('Quantity', number), h('button', { type: 'submit', class: 'button strong' }, 'Add to cart'), said);
    return onSubmit(form, async ({ quantity }) => {
        const cart = await get('/api/payments/cart');
        const before = cart.items.find((item) => item.product_id === product.id)?.quantity || 0;
        const now = await send('PUT', `/api/payments/cart/items/${product.id}`,
            { body: { quantity: Math.min(before + Number(quantity), MOST) }, repeatable: true });
        showCart(now);
        fill(said, 'In your cart. ', h('a', { href: '/cart' }, 'Go to the cart'));
        announce(`${product.title} is in your cart.`);
    });
}

async function others(product) {
    const found = await get(`/api/catalog/products?category=${product.category}&in_stock=true&limit=5`);
    const shown = found.items.filter((one) => one.id !== product.id).slice(0, 4);
    if (shown.length) {
        find('#others').hidden = false;
        fill(find('#others-list'), shown.map(productCard));
    }
}

page(async () => {
    const content = find('#content');
    const id = parameter('id') || '';
    if (!/^[1-9]\d{0,17}$/.test(id)) {
        fill(content, notice('empty', 'Which product?', h('p', {}, h('a', { href: '/', class: 'button' }, 'Look around'))));
        return;
    }
    const [product, user] = await Promise.all([get(`/api/catalog/products/${id}`), me()]);
    document.title = `${product.title} · Figtree Market`;
    const own = user && user.id === product.seller_id;
    fill(content, h('article', { class: 'product' },
        h('div', { class: 'product-art' }, art(product.title, product.category)),
        h('div', { class: 'product-words' },
            h('p', { class: 'path' }, h('a', { href: '/' }, 'Market'), ' / ', h('a', { href: `/?category=${product.category}` }, capital(product.category))),
            h('h1', {}, product.title),
            h('p', { class: 'price large' }, price(product.price), ' ', chip(stockWords(product))),
            own ? h('p', {}, h('a', { class: 'button strong', href: `/sell/product?id=${product.id}` }, 'Edit your product')) : buying(product, user),
            h('div', { class: 'prose' }, product.description.split(/\n{2,}/).filter(Boolean).map((text) => h('p', {}, text))),
            h('dl', { class: 'facts' },
                h('dt', {}, 'Sold by'), h('dd', {}, own ? 'you' : h('a', { href: `/?seller_id=${product.seller_id}` }, `Seller ${product.seller_id}`)),
                h('dt', {}, 'Offered since'), h('dd', {}, date(product.created_at)),
                h('dt', {}, 'In stock'), h('dd', {}, String(product.stock))))));
    others(product).catch(() => {});
});
