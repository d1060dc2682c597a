// What has changed of the page comes as pieces of it, already drawn by the server. Without this the page is as it was
// when it was loaded, and nothing else is missing.

const here = document.querySelector('[data-events]');

function put(id, html) {
    const place = document.getElementById(id);
    if (!place || place.contains(document.activeElement)) {
        return; // Nobody's focus is taken away; the next change comes soon.
    }
    place.innerHTML = html;
    place.dispatchEvent(new CustomEvent('fig:changed', { bubbles: true }));
}

function listen() {
    const source = new EventSource(here.dataset.events);
    source.addEventListener('message', (message) => {
        document.body.dataset.live = 'yes';
        for (const [id, html] of Object.entries(JSON.parse(message.data))) {
            if (id === 'announce') {
                document.getElementById(id).textContent = html;
            } else {
                put(id, html);
            }
        }
    });
    source.addEventListener('error', () => {
        document.body.dataset.live = 'no';
    });
    // A page that nobody sees asks for nothing.
    document.addEventListener('visibilitychange', () => source.close(), { once: true });
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
