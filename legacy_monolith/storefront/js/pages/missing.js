import { fill, find, h } from '../dom.js';
import { notice, page } from '../shell.js';

// What the shop answers where there is no page.
page(() => {
    fill(find('#content'), notice('empty', 'There is no such page', h('p', {}, 'The link may be old, or a letter of it is missing.'),
        h('a', { class: 'button strong', href: '/' }, 'Look around')));
});
