// A picture for every product, drawn from its title and category: the same words give the same picture.
import { svg } from './dom.js';
import { GLYPHS, OBJECTS } from './objects.js';

const COLOURS = {
    red: '#c8453b', blue: '#3f6fb5', green: '#4d8b57', golden: '#d6a02b', silver: '#a9b2bb', bright: '#f0b429', wooden: '#a8713f',
    woollen: '#c69c7b', old: '#8a6f52', new: '#3d9a9b', plain: '#9a8f80', fine: '#7d5ba6', quiet: '#6c7f93', small: '#d9795d',
    large: '#51688a', round: '#b5577c', black: '#3b3a40', white: '#e9e4da', yellow: '#e8bd3a', purple: '#75488f', pink: '#d9779b',
};
// Soft grounds, one for each category; others take one by chance.
const GROUNDS = {
    home: 32, garden: 105, music: 270, books: 15, clothing: 335, outdoor: 160, kitchen: 48, toys: 195, art: 300, electronics: 215,
};

function hash(text) {
    let value = 2166136261;
    for (const letter of text) {
        value = Math.imul(value ^ letter.codePointAt(0), 16777619) >>> 0;
    }
    return value;
}

function shade(colour, by) {
    const parts = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    const turned = parts.map((part) => Math.round(by < 0 ? part * (1 + by) : part + (255 - part) * by));
    return `#${turned.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

function painted(shapes, inks) {
    return shapes.map(([tag, attributes, ink = 'main', line]) => {
        const paint = line
            ? { fill: 'none', stroke: inks[ink], 'stroke-width': line, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' }
            : { fill: inks[ink] };
        return svg(tag, { ...(typeof attributes === 'string' ? { d: attributes } : attributes), ...paint });
    });
}

export function art(title, category) {
    const words = title.toLowerCase().match(/[\p{L}]+/gu) || [];
    const seed = hash(`${title.toLowerCase()}|${category}`);
    const hue = GROUNDS[category] ?? seed % 360;
    const colours = Object.values(COLOURS);
    const main = words.map((word) => COLOURS[word]).find(Boolean) || colours[seed % colours.length];
    const inks = { main, dark: shade(main, -0.35), light: shade(main, 0.45), pale: '#fffaf0', ink: '#3a3238' };
    const noun = words.findLast((word) => OBJECTS[word] || OBJECTS[word.replace(/s$/, '')]);
    const shapes = OBJECTS[noun] || OBJECTS[(noun || '').replace(/s$/, '')] || GLYPHS[category] || GLYPHS.other;
    const [x, y, size] = [20 + (seed % 60), 15 + ((seed >> 6) % 30), 34 + ((seed >> 12) % 14)];
    return svg('svg', { class: 'art', viewBox: '0 0 120 100', 'aria-hidden': 'true', focusable: 'false', preserveAspectRatio: 'xMidYMid slice' },
        svg('rect', { width: 120, height: 100, fill: `hsl(${hue} 42% 88%)` }),
        svg('circle', { cx: x, cy: y, r: size, fill: `hsl(${hue} 48% 82%)` }),
        svg('path', { d: `M0 78 Q${30 + (seed % 20)} ${70 + ((seed >> 4) % 8)} 60 78 T120 76 V100 H0Z`, fill: `hsl(${hue} 34% 78%)` }),
        svg('ellipse', { cx: 60, cy: 84, rx: 30, ry: 3.5, fill: '#3a3238', opacity: 0.14 }),
        svg('g', { transform: 'translate(10 0)' }, ...painted(shapes, inks)));
}
