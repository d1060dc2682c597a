import { get } from '../api.js';
import { productCard, waitingCards } from '../cards.js';
import { announce, fill, find, h } from '../dom.js';
import { busy } from '../forms.js';
import { capital, count } from '../format.js';
import { inWords } from '../problems.js';
import { failed, notice, page } from '../shell.js';

const CATEGORIES = ['home', 'kitchen', 'garden', 'outdoor', 'clothing', 'books', 'music', 'art', 'toys', 'electronics'];
const FILTERS = ['q', 'category', 'seller_id', 'min_price', 'max_price', 'in_stock', 'sort'];
const PAGE = 24;

// The address is the state: it can be kept, sent, and gone back to.
function wanted() {
    const given = new URLSearchParams(location.search);
    return new URLSearchParams(FILTERS.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
}

function go(changes) {
    const filters = wanted();
    for (const [name, value] of Object.entries(changes)) {
        value ? filters.set(name, value) : filters.delete(name);
    }
    history.pushState(null, '', filters.size ? `/?${filters}` : '/');
    show();
}

function categories() {
    const filters = wanted();
    const link = (category) => {
        const to = new URLSearchParams(filters);
        category ? to.set('category', category) : to.delete('category');
        return h('li', {}, h('a', { href: `/?${to}`, 'aria-current': (filters.get('category') || '') === category ? 'true' : null,
            onclick: (event) => { event.preventDefault(); go({ category }); } }, category ? capital(category) : 'Everything'));
    };
    fill(find('#categories'), ['', ...CATEGORIES].map(link));
}

function controls() {
    const form = find('#filters');
    const filters = wanted();
    form.sort.value = filters.get('sort') || 'newest';
    form.min_price.value = filters.get('min_price') || '';
    form.max_price.value = filters.get('max_price') || '';
    form.in_stock.checked = filters.get('in_stock') === 'true';
    find('#site-search').value = filters.get('q') || '';
}

function title() {
    const filters = wanted();
    const words = filters.get('q') ? `“${filters.get('q')}”` : filters.get('seller_id') ? `From seller ${filters.get('seller_id')}` : '';
    const category = filters.get('category') ? capital(filters.get('category')) : '';
    // What is found still stands below the page's own heading, for those who listen.
    find('#welcome').classList.toggle('unseen', filters.size > 0);
    find('#what').textContent = [words, category].filter(Boolean).join(' in ') || 'Fresh in the market';
    document.title = `${filters.size ? find('#what').textContent : 'Good things from neighbours'} · Figtree Market`;
}

function nothing() {
    return notice('empty', 'Nothing here yet', h('p', {}, 'Try other words, or fewer filters.'),
        h('button', { type: 'button', class: 'button', onclick: () => go(Object.fromEntries(FILTERS.map((name) => [name, '']))) }, 'Show everything'));
}

let last = 0;

async function show() {
    const turn = ++last;
    categories();
    controls();
    title();
    const list = find('#products');
    fill(find('#content'));
    fill(list, waitingCards(8));
    fill(find('#more'));
    list.setAttribute('aria-busy', 'true');
    try {
        const found = await get(`/api/catalog/products?${wanted()}&limit=${PAGE}`);
        if (turn !== last) {
            return;
        }
        fill(list, found.items.map(productCard));
        if (!found.items.length) {
            fill(find('#content'), nothing());
        }
        more(found.next_cursor);
        announce(found.next_cursor ? `The first ${found.items.length} products are shown.` : `${count(found.items.length, 'product')}.`);
    } catch (error) {
        if (turn === last) {
            fill(list);
            error.is?.('invalid-fields') ? fill(find('#content'), nothing()) : failed(find('#content'), error);
        }
    } finally {
        list.removeAttribute('aria-busy');
    }
}

function more(cursor) {
    if (!cursor) {
        fill(find('#more'));
        return;
    }
    const turn = last;
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, async () => {
        try {
            const found = await get(`/api/catalog/products?${wanted()}&limit=${PAGE}&cursor=${encodeURIComponent(cursor)}`);
            if (turn !== last) {
                return;
            }
            const cards = found.items.map(productCard);
            find('#products').append(...cards);
            find('a', cards[0] || find('#products'))?.focus({ preventScroll: true });
            announce(`${found.items.length} more products.`);
            more(found.next_cursor);
        } catch (error) {
            announce(inWords(error));
        }
    }) }, 'Show more');
    fill(find('#more'), button);
}

page(async () => {
    const form = find('#filters');
    form.addEventListener('change', () => form.requestSubmit());
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        go({ sort: form.sort.value === 'newest' ? '' : form.sort.value, in_stock: form.in_stock.checked ? 'true' : '',
            min_price: form.min_price.value.replace(',', '.'), max_price: form.max_price.value.replace(',', '.') });
    });
    find('.search').addEventListener('submit', (event) => {
        event.preventDefault();
        go({ q: find('#site-search').value.trim() });
    });
    addEventListener('popstate', show);
    await show();
});
