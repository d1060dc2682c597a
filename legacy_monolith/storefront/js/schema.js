// An OpenAPI document as things to show: references followed, schemas in one line or as a list of fields.

export function resolve(document, thing) {
    let found = thing;
    for (let step = 0; found && found.$ref && step < 10; step++) {
        found = found.$ref.replace('#/', '').split('/').reduce((part, name) => part?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document);
    }
    return found || {};
}

function limits(schema) {
    const said = [];
    const range = (low, high, what) => {
        if (low !== undefined || high !== undefined) {
            said.push(`${low ?? ''}…${high ?? ''}${what}`);
        }
    };
    // Beyond what JavaScript can count there is no point in showing a figure.
    range(schema.minimum, schema.maximum > Number.MAX_SAFE_INTEGER ? undefined : schema.maximum, '');
    range(schema.minLength, schema.maxLength, ' characters');
    range(schema.minItems, schema.maxItems, ' items');
    if (schema.pattern) {
        said.push(`like ${schema.pattern}`);
    }
    if (schema.default !== undefined) {
        said.push(`otherwise ${JSON.stringify(schema.default)}`);
    }
    return said;
}

// The kind of a value in a few words.
export function kind(document, given) {
    const schema = resolve(document, given);
    if (schema.const !== undefined) {
        return JSON.stringify(schema.const);
    }
    if (schema.enum) {
        return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
    }
    const choices = schema.oneOf || schema.anyOf;
    if (choices) {
        return choices.map((one) => kind(document, one)).join(' or ');
    }
    if (schema.allOf) {
        return schema.allOf.map((one) => kind(document, one)).join(' and ');
    }
    if (schema.type === 'array') {
        return [`list of ${kind(document, schema.items || {})}`, ...limits(schema)].join(', ');
    }
    const name = given.$ref && schema.type === 'object' ? given.$ref.split('/').pop() : [schema.type || 'anything'].flat().join(' or ');
    return [schema.format ? `${name} (${schema.format})` : name, ...limits(schema)].join(', ');
}

// All fields below a schema: [path, kind, is it required, description].
export function fieldsOf(document, given, prefix = '', depth = 0) {
    const schema = resolve(document, given);
    if (schema.allOf) {
        return schema.allOf.flatMap((one) => fieldsOf(document, one, prefix, depth));
    }
    if (schema.type === 'array') {
        return fieldsOf(document, schema.items || {}, `${prefix}[]`, depth);
    }
    if (depth > 4) {
        return [];
    }
    return Object.entries(schema.properties || {}).flatMap(([name, part]) => {
        const path = prefix ? `${prefix}.${name}` : name;
        const known = resolve(document, part);
        const below = (known.oneOf || known.anyOf || [part]).flatMap((one) => fieldsOf(document, one, path, depth + 1));
        return [[path, kind(document, part), (schema.required || []).includes(name), part.description || known.description || ''], ...below];
    });
}

// A value that would do, made of the schema's own examples where it has some.
export function example(document, given, depth = 0) {
    const schema = resolve(document, given);
    const known = schema.const ?? schema.examples?.[0] ?? schema.example ?? schema.default ?? schema.enum?.[0];
    if (known !== undefined) {
        return known;
    }
    if (schema.allOf) {
        return Object.assign({}, ...schema.allOf.map((one) => example(document, one, depth)));
    }
    if (schema.oneOf || schema.anyOf) {
        return example(document, (schema.oneOf || schema.anyOf)[0], depth);
    }
    switch ([schema.type].flat()[0]) {
    case 'object':
        return depth > 4 ? {} : Object.fromEntries(Object.entries(schema.properties || {}).map(([name, part]) => [name, example(document, part, depth + 1)]));
    case 'array':
        return [example(document, schema.items || {}, depth + 1)];
    case 'integer':
    case 'number':
        return schema.minimum ?? 1;
    case 'boolean':
        return true;
    case 'string':
        return { 'date-time': '2026-11-23T13:41:21.000123Z', uuid: '0b9a6c3e-5f0d-4a55-9c1e-2f6f1c9f7d10', 'uri-reference': '/problems/not-found' }[schema.format] ?? 'text';
    default:
        return null;
    }
}
