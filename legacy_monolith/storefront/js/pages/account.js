import { send } from '../api.js';
import { announce, fill, find, h, parameter } from '../dom.js';
import { busy, field, onSubmit } from '../forms.js';
import { clock, date } from '../format.js';
import { inWords } from '../problems.js';
import { page } from '../shell.js';
import { entered, logOutEverywhere, required } from '../session.js';

let user;

function panel(title, ...content) {
    return h('section', { class: 'panel' }, h('h2', {}, title), ...content);
}

function saved(form, words) {
    const said = find('.said', form) || form.appendChild(h('p', { class: 'said' }));
    fill(said, words);
    announce(words);
}

function nameForm() {
    const form = h('form', {}, field('Name', h('input', { name: 'name', value: user.name, required: true, maxlength: 200, autocomplete: 'name', pattern: '.*\\S.*' })),
        h('button', { type: 'submit', class: 'button' }, 'Save name'));
    return onSubmit(form, async ({ name }) => {
        user = await send('PATCH', '/api/users/me', { body: { name: name.trim() }, repeatable: true });
        show();
        announce('Your name is saved.');
    });
}

function emailForm() {
    const form = h('form', {}, field('New e-mail address', h('input', { name: 'email', type: 'email', required: true, maxlength: 254, autocomplete: 'email' })),
        field('Your password', h('input', { name: 'password', type: 'password', required: true, autocomplete: 'current-password' })),
        h('button', { type: 'submit', class: 'button' }, 'Change address'));
    return onSubmit(form, async ({ email, password }) => {
        user = await send('POST', '/api/users/email', { body: { email: email.trim(), password } });
        show();
        announce('Your e-mail address is changed.');
    });
}

function passwordForm() {
    const form = h('form', {}, field('Current password', h('input', { name: 'current_password', type: 'password', required: true, autocomplete: 'current-password' })),
        field('New password', h('input', { name: 'new_password', type: 'password', required: true, minlength: 8, maxlength: 256, autocomplete: 'new-password' }), { hint: 'At least 8 characters.' }),
        h('button', { type: 'submit', class: 'button' }, 'Change password'));
    return onSubmit(form, async (body) => {
        await send('POST', '/api/users/password', { body });
        form.reset();
        saved(form, 'Your password is changed. All other devices are logged out.');
    });
}

function codeForm(phone, until, delivery) {
    const code = h('input', { name: 'code', required: true, pattern: '[0-9]{6}', inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: 6, 'data-wrong': 'The code has six digits.' });
    const sent = delivery === 'sent' ? `We sent a code to ${phone}.` : `A code is on its way to ${phone}, though the carrier has not said so yet.`;
    const form = h('form', {}, h('p', {}, `${sent} It is valid until ${clock(until)}.`), field('Code', code, { hint: 'Six digits from the text message.' }),
        h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'button strong' }, 'Verify'), h('button', { type: 'button', class: 'link', onclick: () => show() }, 'Use another number')));
    return onSubmit(form, async (body) => {
        user = await send('POST', '/api/users/phone/verify', { body });
        show();
        announce('Your phone number is verified.');
    });
}

function phoneForm() {
    const phone = h('input', { name: 'phone', type: 'tel', required: true, autocomplete: 'tel', placeholder: '+49 151 12345678', pattern: '\\+[1-9][0-9 ]{6,20}', 'data-wrong': 'Begin with + and the country, like +49 151 12345678.' });
    const form = h('form', {}, field('Phone number', phone, { hint: 'With + and the country in front. We send you a code by text message.' }),
        h('button', { type: 'submit', class: 'button' }, 'Send code'));
    return onSubmit(form, async (given) => {
        const number = given.phone.replaceAll(' ', '');
        const { expires_at: until, delivery } = await send('POST', '/api/users/phone', { body: { phone: number } });
        const next = codeForm(number, until, delivery);
        form.replaceWith(next);
        find('input', next).focus();
        announce('Enter the code from the text message.');
    });
}

function selling() {
    if (user.role === 'seller') {
        return panel('Selling', h('p', {}, 'You are a seller.'), h('p', { class: 'buttons' }, h('a', { class: 'button', href: '/sell' }, 'Your products'), h('a', { class: 'button', href: '/sales' }, 'Your sales')));
    }
    const problem = h('p', { class: 'form-problem', role: 'alert', hidden: true });
    const button = h('button', { type: 'button', class: 'button strong', disabled: !user.phone, onclick: () => busy(button, async () => {
        try {
            user = await send('POST', '/api/users/seller', { repeatable: true });
            show();
            announce('You are a seller now.');
        } catch (error) {
            fill(problem, inWords(error));
            problem.hidden = false;
        }
    }) }, 'Become a seller');
    return panel('Selling', h('p', {}, user.phone ? 'Your phone number is verified. You can begin to sell.' : 'Verify your phone number, and you can sell, too.'), problem, button);
}

function leaving() {
    const button = h('button', { type: 'button', class: 'button', onclick: () => busy(button, async () => {
        await logOutEverywhere();
        location.assign('/');
    }).catch((error) => announce(inWords(error))) }, 'Log out everywhere');
    return panel('Leave', h('p', {}, 'This ends your sessions on all devices.'), button);
}

function show() {
    entered(user);
    fill(find('#content'),
        h('div', { class: 'title-row' }, h('h1', {}, `Hello, ${user.name}`)),
        parameter('welcome') ? h('div', { class: 'thanks' }, h('p', {}, h('strong', {}, 'Welcome to the market!'), ' Look around, or verify your phone and sell something.')) : null,
        h('div', { class: 'panels' },
            panel('You', h('dl', { class: 'facts' }, h('dt', {}, 'E-mail'), h('dd', {}, user.email), h('dt', {}, 'Phone'), h('dd', {}, user.phone || 'not verified'), h('dt', {}, 'Here since'), h('dd', {}, date(user.created_at))), nameForm()),
            panel(user.phone ? 'Another phone number' : 'Verify your phone', phoneForm()),
            selling(),
            panel('E-mail address', emailForm()),
            panel('Password', passwordForm()),
            panel('Messages', h('p', {}, 'Choose what we write to you about, and how.'), h('a', { class: 'button', href: '/messages#preferences' }, 'Message settings')),
            leaving()));
}

page(async () => {
    user = await required();
    show();
});
