import { get, send } from '../api.js';
import { announce, fill, find, h } from '../dom.js';
import { busy, tick } from '../forms.js';
import { time } from '../format.js';
import { icon } from '../icons.js';
import { inWords } from '../problems.js';
import { badge, notice, page } from '../shell.js';
import { required } from '../session.js';

const STATES = {
    pending: 'on its way', sending: 'on its way', sent: 'sent', failed: 'could not be sent', in_doubt: 'perhaps sent', skipped: 'shown here only',
};
const TOPICS = { orders: 'My orders', sales: 'My sales', account: 'My account' };
const CHANNELS = { email: 'By e-mail', sms: 'By text message' };

function message(one) {
    return h('li', { class: `message panel${one.is_read ? '' : ' unread'}` },
        h('span', { class: 'message-icon' }, icon(one.channel === 'sms' ? 'messages' : 'orders')),
        h('div', {}, h('h2', {}, one.subject || 'Text message', one.is_read ? null : h('span', { class: 'chip few' }, 'New')),
            one.text.split(/\n{2,}/).filter(Boolean).map((text) => h('p', { class: 'message-text' }, text)),
            h('p', { class: 'quiet' }, `${time(one.created_at)} · ${one.channel === 'sms' ? 'text message' : 'e-mail'}, ${STATES[one.state] || one.state}`)));
}

async function add(list, cursor) {
    const found = await get(`/api/notifications/messages?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    list.append(...found.items.map(message));
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, () => add(list, found.next_cursor)) }, 'Show older ones');
    fill(find('#more'), found.next_cursor && button);
    return found.items;
}

function choice(channel, topic, chosen) {
    const box = h('input', { type: 'checkbox', name: `${channel}.${topic}`, checked: chosen, onchange: async () => {
        const problem = find('#preferences-problem');
        fill(problem);
        try {
            await send('PATCH', '/api/notifications/preferences', { body: { [channel]: { [topic]: box.checked } }, repeatable: true });
            announce('Saved.');
        } catch (error) {
            box.checked = !box.checked;
            fill(problem, inWords(error));
        }
    } });
    return tick(TOPICS[topic], box);
}

async function preferences(user) {
    const chosen = await get('/api/notifications/preferences');
    fill(find('#preferences'), h('h2', {}, 'What may we write to you about?'), Object.entries(CHANNELS).map(([channel, title]) =>
        h('fieldset', {}, h('legend', {}, title), Object.entries(chosen[channel]).map(([topic, value]) => choice(channel, topic, value)),
            channel === 'sms' && !user.phone ? h('p', { class: 'hint' }, 'Text messages need a ', h('a', { href: '/account' }, 'verified phone number'), '.') : null)),
    h('p', { class: 'hint' }, 'About the safety of your account we always write.'), h('p', { id: 'preferences-problem', class: 'warning', role: 'alert' }));
}

page(async () => {
    const user = await required();
    const list = h('ul', { class: 'rows' });
    const [shown] = await Promise.all([add(list), preferences(user)]);
    fill(find('#content'), shown.length ? list : notice('messages', 'No messages yet', h('p', {}, 'What we write to you is kept here, too.')));
    // What has been shown is read.
    if (shown.some((one) => !one.is_read)) {
        const { unread } = await send('POST', '/api/notifications/messages/read', { repeatable: true });
        badge('messages', unread, `${unread} unread`);
    }
});
