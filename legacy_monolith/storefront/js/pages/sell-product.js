import { get, send } from '../api.js';
import { art } from '../art.js';
import { announce, fill, find, h, parameter } from '../dom.js';
import { busy, field, onSubmit, tick } from '../forms.js';
import { capital } from '../format.js';
import { keyFor, settle } from '../keys.js';
import { Problem, inWords } from '../problems.js';
import { page } from '../shell.js';
import { required } from '../session.js';

const CATEGORIES = ['home', 'kitchen', 'garden', 'outdoor', 'clothing', 'books', 'music', 'art', 'toys', 'electronics'];
const PRICE = '(0|[1-9][0-9]{0,7})([.,][0-9]{1,2})?';

function fields(product) {
    const known = CATEGORIES.includes(product.category) || !product.category ? CATEGORIES : [product.category, ...CATEGORIES];
    return [
        field('Title', h('input', { name: 'title', required: true, maxlength: 200, value: product.title || '', pattern: '.*\\S.*' }), { hint: 'What is it? “Old wooden chair” is better than “chair”.' }),
        field('Category', h('select', { name: 'category', required: true, value: product.category || 'home' }, known.map((name) => h('option', { value: name }, capital(name))))),
        field('Description', h('textarea', { name: 'description', rows: 6, maxlength: 10000, value: product.description || '' })),
        field('Price in euro', h('input', { name: 'price', required: true, inputmode: 'decimal', pattern: PRICE, value: product.price || '', 'data-wrong': 'A price is like 12.50.' })),
    ];
}

function given({ title, category, description, price }) {
    return { title, category, description, price: price.replace(',', '.') };
}

function preview(form) {
    const place = h('div', { class: 'product-art preview', 'aria-hidden': 'true' });
    const draw = () => fill(place, art(form.title.value || '?', form.category.value));
    form.addEventListener('input', draw);
    draw();
    return place;
}

function offering() {
    const form = h('form', { class: 'panel' }, fields({}),
        field('Pieces in stock', h('input', { name: 'stock', type: 'number', min: 0, max: 1000000000, step: 1, value: 1, required: true, inputmode: 'numeric' })),
        h('button', { type: 'submit', class: 'button strong' }, 'Offer it'));
    onSubmit(form, async (values) => {
        const contents = { ...given(values), stock: Number(values.stock) };
        try {
            const key = keyFor('offer', JSON.stringify(contents));
            const product = await send('POST', '/api/catalog/products', { body: { ...contents, request_key: key }, repeatable: true });
            settle('offer');
            location.assign(`/product?id=${product.id}`);
        } catch (problem) {
            if (problem instanceof Problem && problem.status && problem.status < 500) {
                settle('offer');
            }
            throw problem;
        }
    });
    return h('div', { class: 'split' }, form, preview(form));
}

function withdrawing(product) {
    const dialog = find('#withdraw');
    dialog.setAttribute('aria-labelledby', 'withdraw-title');
    const problem = h('p', { class: 'form-problem', role: 'alert', hidden: true });
    const sure = h('button', { type: 'button', class: 'button danger', onclick: () => busy(sure, async () => {
        try {
            await send('POST', `/api/catalog/products/${product.id}/withdraw`, { repeatable: true });
            location.assign('/sell');
        } catch (error) {
            fill(problem, inWords(error));
            problem.hidden = false;
        }
    }) }, 'Withdraw for good');
    fill(dialog, h('h2', { id: 'withdraw-title' }, 'Withdraw this product?'), h('p', {}, 'Nobody can buy it any more, and it cannot be brought back.'),
        problem, h('p', { class: 'buttons' }, sure, h('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, 'Keep it')));
    return h('button', { type: 'button', class: 'button', onclick: () => dialog.showModal() }, 'Withdraw…');
}

function editing(product) {
    let version = product.version;
    const hidden = h('input', { type: 'checkbox', name: 'hidden', checked: product.status === 'hidden' });
    const form = h('form', { class: 'panel' }, fields(product), tick('Hide it from the market for now', hidden),
        h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'button strong' }, 'Save'), h('a', { class: 'button', href: `/product?id=${product.id}` }, 'See it'), withdrawing(product)),
        h('p', { class: 'said' }));
    onSubmit(form, async (values) => {
        // Two editors at once: the second is told, and nothing is overwritten unseen.
        const now = await send('PATCH', `/api/catalog/products/${product.id}`,
            { body: { ...given(values), hidden: hidden.checked }, headers: { 'If-Match': `"${version}"` } });
        version = now.version;
        fill(find('.said', form), 'Saved.');
        announce('Saved.');
    });
    return h('div', { class: 'split' }, form, preview(form));
}

page(async () => {
    await required();
    const id = parameter('id');
    const product = id ? await get(`/api/catalog/products/${encodeURIComponent(id)}`) : null;
    find('h1').textContent = product ? 'Edit your product' : 'Offer a product';
    document.title = `${find('h1').textContent} · Figtree Market`;
    fill(find('#content'), product ? editing(product) : offering());
});
