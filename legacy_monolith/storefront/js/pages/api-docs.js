import { get } from '../api.js';
import { fill, find, h, parameter } from '../dom.js';
import { field, onSubmit } from '../forms.js';
import { capital } from '../format.js';
import { notice, page } from '../shell.js';
import { example, fieldsOf, kind, resolve } from '../schema.js';

const DOMAINS = ['users', 'catalog', 'payments', 'notifications'];
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

let described;

// `code` and **strong** of the documents' Markdown; the rest is text.
function inline(text) {
    return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => part.startsWith('`') ? h('code', {}, part.slice(1, -1))
        : part.startsWith('**') ? h('strong', {}, part.slice(2, -2)) : part);
}

function prose(text) {
    return h('div', { class: 'prose' }, (text || '').trim().split(/\n\s*\n/).filter(Boolean).map((part) => h('p', {}, inline(part))));
}

function table(caption, heads, rows) {
    return h('div', { class: 'scrolls', tabindex: '0', role: 'group', 'aria-label': caption }, h('table', { class: 'dense' }, h('caption', {}, caption),
        h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
        h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, index) => h(index ? 'td' : 'th', index ? { 'data-label': heads[index] } : { scope: 'row' }, cell)))))));
}

function schemaTable(caption, schema) {
    const rows = fieldsOf(described, schema).map(([name, type, must, words]) => [h('code', {}, name), type, must ? 'yes' : '', inline(words)]);
    return rows.length ? table(caption, ['Field', 'Kind', 'Always', 'Meaning'], rows) : h('p', { class: 'quiet' }, `${caption}: ${kind(described, schema)}`);
}

function sample(schema) {
    return h('details', {}, h('summary', {}, 'Example'), h('pre', { tabindex: '0' }, h('code', {}, JSON.stringify(example(described, schema), null, 2))));
}

function content(thing) {
    const [type, media] = Object.entries(thing.content || {})[0] || [];
    return media?.schema ? { type, schema: media.schema } : null;
}

function answer([status, given]) {
    const response = resolve(described, given);
    const body = content(response);
    const headers = Object.keys(response.headers || {});
    return h('details', { class: 'answer' }, h('summary', {}, h('span', { class: `status s${String(status)[0]}` }, status === 'default' ? 'else' : status), inline((response.description || '').trim())),
        headers.length ? h('p', {}, 'Headers: ', headers.map((name) => [h('code', {}, name), ' '])) : null,
        body ? [h('p', { class: 'quiet' }, body.type), schemaTable('Answer', body.schema), sample(body.schema)] : h('p', { class: 'quiet' }, 'No body.'));
}

function tryIt(path, parameters) {
    const shown = parameters.filter((one) => one.in === 'path' || one.in === 'query');
    const output = h('pre', { tabindex: '0', hidden: true, 'aria-live': 'polite' });
    const form = h('form', { class: 'try' }, shown.map((one) => field(one.name, h('input', { name: `${one.in}:${one.name}`, required: one.in === 'path', autocomplete: 'off' }), { hint: kind(described, one.schema || {}) })),
        h('button', { type: 'submit', class: 'button' }, 'Send'), output);
    onSubmit(form, async (values) => {
        const filled = path.replace(/\{([^}]+)\}/g, (_, name) => encodeURIComponent(values[`path:${name}`]));
        const query = new URLSearchParams(shown.filter((one) => one.in === 'query' && values[`query:${one.name}`]).map((one) => [one.name, values[`query:${one.name}`]]));
        const response = await fetch(query.size ? `${filled}?${query}` : filled);
        const text = await response.text();
        const body = (() => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } })();
        output.hidden = false;
        fill(output, `GET ${query.size ? `${filled}?${query}` : filled}\n${response.status} ${response.statusText}\n\n${body}`);
    });
    return h('details', {}, h('summary', {}, 'Try it'), form);
}

function operation(path, method, one, shared) {
    const parameters = [...shared, ...(one.parameters || [])].map((given) => resolve(described, given));
    const body = one.requestBody && content(resolve(described, one.requestBody));
    const open = path.startsWith('/internal/');
    return h('article', { class: 'operation panel', id: one.operationId }, h('h2', {}, h('span', { class: `method ${method}` }, method.toUpperCase()), ' ', h('code', {}, path)),
        h('p', { class: 'lead' }, inline(one.summary || '')), one.description ? prose(one.description) : null,
        open ? h('p', { class: 'hint' }, 'On the internal listener only.') : null,
        parameters.length ? table('Parameters', ['Name', 'Where', 'Kind', 'Meaning'], parameters.map((part) => [[h('code', {}, part.name), part.required ? ' *' : ''], part.in, kind(described, part.schema || {}), inline(part.description || '')])) : null,
        body ? [schemaTable('Body', body.schema), sample(body.schema)] : null,
        h('h3', {}, 'Answers'), Object.entries(one.responses || {}).map(answer), method === 'get' && !open ? tryIt(path, parameters) : null);
}

function operations() {
    return Object.entries(described.paths).flatMap(([path, item]) =>
        METHODS.filter((method) => item[method]).map((method) => [path, method, item[method], item.parameters || []]));
}

page(async () => {
    const domain = DOMAINS.includes(parameter('domain')) ? parameter('domain') : 'catalog';
    fill(find('#domains'), DOMAINS.map((name) => h('li', {}, h('a', { href: `/api-docs?domain=${name}`, 'aria-current': name === domain ? 'page' : null }, capital(name)))));
    described = await get(`/api/${domain}/openapi.json`);
    document.title = `${described.info.title} · API · Figtree Market`;
    const all = operations();
    fill(find('#contents'), h('ul', {}, all.map(([path, method, one]) => h('li', {}, h('a', { href: `#${one.operationId}` }, h('span', { class: `method ${method}` }, method.toUpperCase()), h('span', {}, path))))));
    fill(find('#content'), h('h1', {}, described.info.title), prose(described.info.description),
        all.length ? all.map((one) => operation(...one)) : notice('empty', 'Nothing here yet'));
    if (location.hash) {
        document.getElementById(location.hash.slice(1))?.scrollIntoView();
    }
});
