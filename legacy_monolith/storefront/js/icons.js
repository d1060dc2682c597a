// Line icons on a grid of 24, drawn in the colour of the text around them.
import { svg } from './dom.js';

const PATHS = {
    leaf: 'M5 19C5 9 11 4 20 4c0 9-5 15-13 15M5 21c1-5 4-9 9-11',
    search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5',
    cart: 'M3 4h2l2.4 11h10.2L20 7H6.2M9 20h.01M17 20h.01',
    orders: 'M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6',
    messages: 'M4 5h16v11H9l-5 4z',
    account: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 21c0-4 4-6 8-6s8 2 8 6',
    sell: 'M4 10v10h16V10M3 10l2-6h14l2 6M9 20v-6h6v6M3 10h18',
    browse: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z',
    check: 'M5 12l5 5 9-11',
    empty: 'M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8',
    alert: 'M12 4l9 16H3zM12 10v4M12 17h.01',
    plus: 'M12 5v14M5 12h14',
};

export function icon(name) {
    return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, svg('path', { d: PATHS[name] }));
}
