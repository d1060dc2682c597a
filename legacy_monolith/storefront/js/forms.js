// Forms: one sending at a time, errors beside their fields, everything else said above the button.
import { announce, fill, find, h } from './dom.js';
import { Problem, inWords } from './problems.js';

let number = 0;

// A labelled field. `control` is an input, select or textarea; `hint` explains it.
export function field(label, control, { hint = '', name = control.name } = {}) {
    const id = `field-${name}-${++number}`;
    control.id = id;
    if (name) {
        control.name = name;
    }
    const hinted = hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null;
    const error = h('p', { class: 'field-error', id: `${id}-error`, hidden: true });
    control.setAttribute('aria-describedby', hint ? `${id}-hint ${id}-error` : `${id}-error`);
    return h('div', { class: 'field' }, h('label', { for: id }, label), hinted, control, error);
}

export function tick(label, control) {
    return h('label', { class: 'tick' }, control, h('span', {}, label));
}

function mark(form, name, message) {
    const control = form.elements.namedItem(name);
    const error = control && control.id && find(`#${control.id}-error`);
    if (!error) {
        return null;
    }
    control.setAttribute('aria-invalid', 'true');
    error.textContent = message;
    error.hidden = false;
    return control;
}

function clear(form) {
    for (const control of form.querySelectorAll('[aria-invalid]')) {
        control.removeAttribute('aria-invalid');
    }
    for (const error of form.querySelectorAll('.field-error')) {
        error.hidden = true;
        error.textContent = '';
    }
    const problem = find('.form-problem', form);
    problem.hidden = true;
}

export function showProblem(form, error) {
    const fields = error instanceof Problem ? error.fields : [];
    const marked = fields.map(({ field: name, message }) => mark(form, name, message)).filter(Boolean);
    const problem = find('.form-problem', form);
    fill(problem, inWords(error));
    problem.hidden = false;
    (marked[0] || problem).focus();
}

// `submit(values)` sends; what it throws is shown in the form.
export function onSubmit(form, submit) {
    const button = find('button[type=submit]', form);
    if (!find('.form-problem', form)) {
        button.before(h('p', { class: 'form-problem', role: 'alert', tabindex: '-1', hidden: true }));
    }
    form.noValidate = true;
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        if (button.disabled) {
            return;
        }
        clear(form);
        const wrong = Array.from(form.elements).filter((control) => control.willValidate && !control.validity.valid);
        if (wrong.length) {
            for (const control of wrong) {
                mark(form, control.name, control.dataset.wrong || control.validationMessage);
            }
            wrong[0].focus();
            announce('Please correct what is marked.');
            return;
        }
        await busy(button, async () => {
            try {
                await submit(Object.fromEntries(new FormData(form)));
            } catch (error) {
                showProblem(form, error);
            }
        });
    });
    return form;
}

// A button that works: it cannot be pressed twice, and says so.
export async function busy(button, work) {
    button.disabled = true;
    button.setAttribute('aria-busy', 'true');
    try {
        return await work();
    } finally {
        button.disabled = false;
        button.removeAttribute('aria-busy');
    }
}
