// What stands around every page: skip link, name, search, ways to go, the region for announcements, the foot.
import { get } from './api.js';
import { announce, fill, find, h, parameter } from './dom.js';
import { count } from './format.js';
import { icon } from './icons.js';
import { inWords } from './problems.js';
import { loginAddress, me } from './session.js';

const WAYS = [
    ['/', 'browse', 'Browse'],
    ['/orders', 'orders', 'Orders'],
    ['/messages', 'messages', 'Messages'],
    ['/sell', 'sell', 'Sell'],
    ['/cart', 'cart', 'Cart'],
    ['/account', 'account', 'Log in'],
];

function isHere(address) {
    const here = location.pathname.replace(/\.html$/, '');
    const parts = { '/sell': ['/sell', '/sell/product', '/sales'], '/orders': ['/orders', '/order'], '/cart': ['/cart', '/checkout'], '/account': ['/account', '/login', '/signup'] };
    return (parts[address] || [address]).includes(here);
}

function way([address, name, label]) {
    return h('li', {}, h('a', { href: address, 'aria-current': isHere(address) ? 'page' : null, 'data-way': name },
        h('span', { class: 'way-icon' }, icon(name), h('span', { class: 'badge', hidden: true })), h('span', { class: 'way-label' }, label)));
}

function header() {
    return h('header', { class: 'site-header' }, h('div', { class: 'bar' },
        h('a', { class: 'brand', href: '/' }, icon('leaf'), h('span', {}, 'Figtree ', h('span', { class: 'brand-more' }, 'Market'))),
        h('form', { class: 'search', role: 'search', action: '/', method: 'get' },
            h('label', { class: 'unseen', for: 'site-search' }, 'Search for products'),
            h('input', { id: 'site-search', type: 'search', name: 'q', maxlength: 200, placeholder: 'Search the market', autocomplete: 'off', value: location.pathname === '/' ? parameter('q') || '' : '' }),
            h('button', { type: 'submit', class: 'plain', 'aria-label': 'Search' }, icon('search'))),
        h('nav', { class: 'ways', 'aria-label': 'Main' }, h('ul', {}, WAYS.map(way)))));
}

function footer() {
    return h('footer', { class: 'site-footer' }, h('div', { class: 'bar' },
        h('p', {}, 'Figtree Market, from neighbour to neighbour.'),
        h('ul', {}, h('li', {}, h('a', { href: '/sell' }, 'Sell something')), h('li', {}, h('a', { href: '/account' }, 'Your account')),
            h('li', {}, h('a', { href: '/api-docs' }, 'For developers')))));
}

export function badge(name, number, words) {
    const link = find(`[data-way=${name}]`);
    const mark = find('.badge', link);
    mark.hidden = number === 0;
    mark.textContent = number > 99 ? '99+' : String(number);
    link.setAttribute('aria-label', number ? `${find('.way-label', link).textContent}, ${words}` : find('.way-label', link).textContent);
}

export function showCart(cart) {
    const pieces = cart.items.reduce((sum, item) => sum + item.quantity, 0);
    badge('cart', pieces, count(pieces, 'piece'));
}

async function showUser() {
    const user = await me();
    const label = find('[data-way=account] .way-label');
    if (!user) {
        find('[data-way=account]').href = isHere('/account') ? '/login' : loginAddress();
        return;
    }
    label.textContent = 'Account';
    // These decorate; a page that works is not spoiled by one that does not answer.
    get('/api/payments/cart').then(showCart).catch(() => {});
    get('/api/notifications/unread').then(({ unread }) => badge('messages', unread, `${unread} unread`)).catch(() => {});
}

function patience() {
    const line = h('p', { class: 'patience', hidden: true }, 'The shop is busy. Nothing is lost; trying again…');
    document.addEventListener('shop-waits', ({ detail: waits }) => {
        if (waits && line.hidden) {
            announce(line.textContent);
        }
        line.hidden = !waits;
    });
    return line;
}

// Every page's script calls this first; what `work` throws is said in the page.
export async function page(work) {
    document.body.prepend(h('a', { class: 'skip', href: '#main' }, 'Skip to content'), header());
    const foot = footer();
    foot.append(patience());
    document.body.append(foot, h('div', { id: 'announcements', class: 'unseen', role: 'status', 'aria-live': 'polite' }));
    showUser().catch(() => {});
    try {
        await work(find('#main'));
    } catch (error) {
        failed(find('#content') || find('#main'), error);
    } finally {
        find('#main').removeAttribute('aria-busy');
    }
}

export function failed(place, error) {
    fill(place, notice('alert', inWords(error), h('p', {}, 'You can try it once more.'),
        h('button', { type: 'button', class: 'button', onclick: () => location.reload() }, 'Try again')));
    announce(inWords(error));
}

// A calm block for what is empty, missing or wrong; where the page has no heading of its own, this is it.
export function notice(name, title, ...more) {
    return h('div', { class: 'notice' }, icon(name), h(find('h1:not(#content h1)') ? 'h2' : 'h1', {}, title), ...more);
}
