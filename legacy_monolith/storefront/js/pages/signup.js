import { send } from '../api.js';
import { find } from '../dom.js';
import { onSubmit } from '../forms.js';
import { page } from '../shell.js';
import { entered, nextAddress } from '../session.js';

page(async () => {
    find('#to-login').href = `/login${location.search}`;
    onSubmit(find('#signup'), async ({ email, password, name }) => {
        // Everybody begins as a buyer; who sells has a verified phone number.
        entered(await send('POST', '/api/users/signup', { body: { email: email.trim(), password, name: name.trim(), role: 'buyer' } }));
        location.assign(nextAddress('/account?welcome=1'));
    });
});
