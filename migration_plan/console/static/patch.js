// Makes a place look as it is wanted, and touches only what is different: focus, scroll positions and what moves stay.

const NAMES = ['id', 'href', 'action', 'data-key'];

function isSame(now, wanted) {
    return now.nodeName === wanted.nodeName
        && (now.nodeType !== Node.ELEMENT_NODE || NAMES.every((name) => now.getAttribute(name) === wanted.getAttribute(name)));
}

function attributes(now, wanted) {
    for (const name of now.getAttributeNames()) {
        if (!wanted.hasAttribute(name)) {
            now.removeAttribute(name);
        }
    }
    for (const name of wanted.getAttributeNames()) {
        if (now.getAttribute(name) !== wanted.getAttribute(name)) {
            now.setAttribute(name, wanted.getAttribute(name));
        }
    }
}

function children(now, wanted) {
    const there = [...now.childNodes];
    const coming = [...wanted.childNodes];
    coming.forEach((one, place) => {
        if (place >= there.length) {
            now.append(one);
        } else if (!isSame(there[place], one)) {
            there[place].replaceWith(one);
        } else if (one.nodeType === Node.ELEMENT_NODE) {
            attributes(there[place], one);
            children(there[place], one);
        } else if (there[place].data !== one.data) {
            there[place].data = one.data;
        }
    });
    there.slice(coming.length).forEach((one) => one.remove());
}

export function patch(place, html) {
    const wanted = document.createElement('template');
    wanted.innerHTML = html;
    children(place, wanted.content);
}
