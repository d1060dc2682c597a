import { send } from '../api.js';
import { find } from '../dom.js';
import { onSubmit } from '../forms.js';
import { page } from '../shell.js';
import { entered, nextAddress } from '../session.js';

page(async () => {
    find('#to-signup').href = `/signup${location.search}`;
    onSubmit(find('#login'), async ({ email, password, remember }) => {
        entered(await send('POST', '/api/users/login', { body: { email: email.trim(), password, remember: remember === 'on' } }));
        location.assign(nextAddress());
    });
});
