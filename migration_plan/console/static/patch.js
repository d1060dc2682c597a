// Makes a place look as it is wanted, and touches only what is different: focus, scroll positions and what moves stay.

const NAMES = ['id', 'class', 'href', 'action', 'data-key'];

function isSame(now, wanted) {
    return now.nodeName === wanted.nodeName && NAMES.every((name) => now.getAttribute(name) === wanted.getAttribute(name));
}

// The node that becomes `wanted`: `now`, or for an element one after it.
function match(now, wanted) {
    if (wanted.nodeType !== Node.ELEMENT_NODE) {
        return now?.nodeType === wanted.nodeType ? now : null;
    }
    let one = now;
    while (one && !(one.nodeType === Node.ELEMENT_NODE && isSame(one, wanted))) {
        one = one.nextSibling;
    }
    return one;
}

function attributes(now, wanted) {
    // Whoever has opened something keeps it open.
    now.getAttributeNames().filter((name) => name !== 'open' && !wanted.hasAttribute(name)).forEach((name) => now.removeAttribute(name));
    for (const name of wanted.getAttributeNames()) {
        if (now.getAttribute(name) !== wanted.getAttribute(name)) {
            now.setAttribute(name, wanted.getAttribute(name));
        }
    }
}

function update(now, wanted) {
    if (wanted.nodeType === Node.ELEMENT_NODE) {
        attributes(now, wanted);
        children(now, wanted);
    } else if (now.data !== wanted.data) {
        now.data = wanted.data;
    }
}

function children(place, wanted) {
    let now = place.firstChild;
    const leave = () => {
        const gone = now;
        now = now.nextSibling;
        gone.remove();
    };
    for (const one of [...wanted.childNodes]) {
        const found = match(now, one);
        if (found) {
            while (now !== found) {
                leave();
            }
            update(found, one);
            now = found.nextSibling;
        } else {
            place.insertBefore(one, now);
        }
    }
    while (now) {
        leave();
    }
}

export function patch(place, html) {
    const wanted = document.createElement('template');
    wanted.innerHTML = html;
    children(place, wanted.content);
}
