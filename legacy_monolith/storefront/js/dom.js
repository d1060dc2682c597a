// Building pages without a string of HTML anywhere: what comes from people stays text.

const SVG = 'http://www.w3.org/2000/svg';

function put(element, name, value) {
    if (value === null || value === undefined || value === false) {
        return;
    }
    if (name.startsWith('on')) {
        element.addEventListener(name.slice(2), value);
    } else if (name === 'value' && 'value' in element) {
        element.value = value;
    } else {
        element.setAttribute(name, value === true ? '' : value);
    }
}

function build(element, attributes, children) {
    // Options come first: a select takes no value that it does not have yet.
    element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
    for (const [name, value] of Object.entries(attributes || {})) {
        put(element, name, value);
    }
    return element;
}

export function h(tag, attributes, ...children) {
    return build(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
    return build(document.createElementNS(SVG, tag), attributes, children);
}

export function fill(element, ...children) {
    element.replaceChildren();
    return build(element, {}, children);
}

export function find(selector, root = document) {
    return root.querySelector(selector);
}

export function parameter(name) {
    return new URLSearchParams(location.search).get(name);
}

// Said to people who listen instead of looking; the region is part of every page.
export function announce(text) {
    const region = find('#announcements');
    if (region) {
        region.textContent = '';
        requestAnimationFrame(() => { region.textContent = text; });
    }
}
