import { get } from '../api.js';
import { art } from '../art.js';
import { orderChip } from '../cards.js';
import { fill, find, h } from '../dom.js';
import { busy } from '../forms.js';
import { count, date, price } from '../format.js';
import { notice, page } from '../shell.js';
import { required } from '../session.js';

function row(order) {
    const pieces = order.lines.reduce((sum, line) => sum + line.quantity, 0);
    return h('li', {}, h('a', { class: 'row panel', href: `/order?id=${order.id}` },
        h('span', { class: 'row-art' }, order.lines.slice(0, 3).map((line) => art(line.title, ''))),
        h('span', { class: 'row-words' }, h('strong', {}, order.lines.map((line) => line.title).join(', ') || `Order ${order.id}`),
            h('span', { class: 'quiet' }, `Order ${order.id} · ${date(order.created_at)} · ${count(pieces, 'piece')}`)),
        h('span', { class: 'row-end' }, h('span', { class: 'price' }, price(order.total)), orderChip(order.state, order.payment?.state))));
}

async function add(list, cursor) {
    const found = await get(`/api/payments/orders?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    list.append(...found.items.map(row));
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, () => add(list, found.next_cursor)) }, 'Show older ones');
    fill(find('#more'), found.next_cursor && button);
    return found.items.length;
}

page(async () => {
    await required();
    const list = h('ul', { class: 'rows' });
    const shown = await add(list);
    fill(find('#content'), shown ? list : notice('orders', 'No orders yet', h('p', {}, 'What you buy appears here.'), h('a', { class: 'button strong', href: '/' }, 'Look around')));
});
