// What has changed of the page comes as pieces of it, already drawn by the server. Without this the page is as it was
// when it was loaded, and nothing else is missing.
import { patch } from './patch.js';

const here = document.querySelector('[data-events]');
const stale = document.getElementById('stale');
// Shorter than this a page is without its console whenever that lets it ask again.
const PATIENCE_MS = 6000;
let alarm = 0;

function heard() {
    clearTimeout(alarm);
    alarm = 0;
    stale.hidden = true;
}

function lost() {
    alarm ||= setTimeout(() => { stale.hidden = false; }, PATIENCE_MS);
}

function show(id, html) {
    const place = document.getElementById(id);
    if (id === 'announce') {
        place.textContent = html;
    } else if (place) {
        patch(place, html);
        place.dispatchEvent(new CustomEvent('fig:changed', { bubbles: true }));
    }
}

function listen() {
    const source = new EventSource(here.dataset.events);
    source.addEventListener('open', heard);
    source.addEventListener('error', lost);
    source.addEventListener('message', (message) => {
        heard();
        Object.entries(JSON.parse(message.data)).forEach(([id, html]) => show(id, html));
        document.body.dataset.live = 'yes';
    });
    // A page that nobody sees asks for nothing.
    document.addEventListener('visibilitychange', () => { source.close(); heard(); }, { once: true });
}

function begin() {
    if (document.visibilityState === 'visible') {
        listen();
    }
    document.addEventListener('visibilitychange', () => {
        if (document.visibilityState === 'visible') {
            listen();
        }
    });
}

if (here) {
    begin();
}
