// The admin API, on a unix socket only: routes, holds, writes in flight, how far copies have come, figures.
// Every refusal is one problem document and changes nothing.
import change from 'change.js';
import figures from 'figures.js';
import ledger from 'ledger.js';
import sampling from 'sampling.js';
import table from 'table.js';

const applied = ngx.shared.fig_applied;
const SIDES = ['monolith', 'service'];

function Refusal(status, code, detail, current) {
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.current = current;
}

const ACTIONS = {
    'GET /routes': async function () {
        const all = {};
        Object.keys(settings.domains).forEach(function (domain) { all[domain] = state(domain); });
        return all;
    },
    'GET /inflight/': async function (domain) { return { writes: figures.inflight(domain) }; },
    'POST /routes/': async function (domain, body, vs) {
        fields(body, ['epoch', 'owner']);
        whole(body, 'epoch', 0, Number.MAX_SAFE_INTEGER);
        oneOf(body.owner, 'owner');
        return change.alone(domain, function () {
            const route = table.read(domain);
            if (body.epoch < route.epoch || (body.epoch === route.epoch && body.owner !== route.owner)) {
                stale(domain, body.owner + ' at epoch ' + body.epoch);
            }
            // A canary ends with its epoch: it was one of the owner that was.
            const share = body.epoch === route.epoch ? route.share : 0;
            change.write(vs, domain, {
                epoch: body.epoch, owner: body.owner, until: 0, share: share, revision: route.revision,
            });
            return state(domain);
        });
    },
    'POST /hold/': async function (domain, body) {
        fields(body, ['epoch', 'ttl_ms']);
        whole(body, 'epoch', 0, Number.MAX_SAFE_INTEGER);
        whole(body, 'ttl_ms', 1, 600000);
        return change.alone(domain, function () {
            const route = current(domain, body.epoch, 'a hold');
            change.hold(domain, route, Date.now() + body.ttl_ms);
            return state(domain);
        });
    },
    'POST /release/': async function (domain, body) {
        fields(body, ['epoch']);
        whole(body, 'epoch', 0, Number.MAX_SAFE_INTEGER);
        return change.alone(domain, function () {
            change.hold(domain, current(domain, body.epoch, 'the end of a hold'), 0);
            return state(domain);
        });
    },
    'POST /shadow/': async function (domain, body, vs) {
        fields(body, ['parts', 'ttl_ms']);
        whole(body, 'parts', 0, 10000);
        whole(body, 'ttl_ms', 1, 60000);
        return change.alone(domain, function () {
            sampling.ask(domain, body.parts, Date.now() + body.ttl_ms);
            change.publish(vs, domain);
            return {};
        });
    },
    'POST /canary/': async function (domain, body, vs) {
        fields(body, ['epoch', 'revision', 'share']);
        whole(body, 'epoch', 0, Number.MAX_SAFE_INTEGER);
        whole(body, 'revision', 0, Number.MAX_SAFE_INTEGER);
        whole(body, 'share', 0, 10000);
        if (body.share && !settings.domains[domain].canary) {
            malformed('The plan of "' + domain + '" has no canary.');
        }
        return change.alone(domain, function () {
            const route = current(domain, body.epoch, 'a canary');
            // A new epoch has ended it, and the same decision begins it again.
            const isOlder = body.revision < route.revision ||
                (body.revision === route.revision && route.share && body.share !== route.share);
            if (isOlder || (body.share && route.owner !== 'monolith')) {
                stale(domain, 'a canary of revision ' + body.revision);
            }
            change.write(vs, domain, Object.assign(route, { share: body.share, revision: body.revision }));
            return state(domain);
        });
    },
    'POST /applied': async function (_, body) {
        const news = [];
        Object.keys(body).forEach(function (domain) {
            known(domain);
            const sides = object(body[domain], '"' + domain + '"');
            Object.keys(sides).forEach(function (side) {
                oneOf(side, 'The side');
                whole(sides, side, 1, 9999999999999);
                news.push([domain + '|' + side, sides[side]]);
            });
        });
        news.forEach(function (item) { applied.set(item[0], item[1]); });
        return {};
    },
};

function state(domain) {
    const route = table.read(domain);
    const through = {};
    SIDES.forEach(function (side) {
        const ms = applied.get(domain + '|' + side);
        if (ms !== undefined) {
            through[side] = ms;
        }
    });
    const left = route.until - Date.now();
    return {
        epoch: route.epoch, owner: route.owner, hold: left > 0 ? { epoch: route.epoch + 1, left_ms: left } : null,
        inflight: { writes: figures.inflight(domain) }, applied: through,
        canary: { share: route.share, revision: route.revision },
    };
}

function current(domain, epoch, what) {
    const route = table.read(domain);
    if (epoch !== route.epoch) {
        stale(domain, what + ' at epoch ' + epoch);
    }
    return route;
}

function stale(domain, wanted) {
    const now = state(domain);
    throw new Refusal(409, 'route-refused', wanted + ' was asked for, but "' + domain + '" is at epoch ' + now.epoch +
        ', owned by the ' + now.owner + '.', now);
}

function malformed(detail) {
    throw new Refusal(400, 'malformed', detail);
}

function fields(body, names) {
    const given = Object.keys(body).sort().join(', ');
    if (given !== names.join(', ')) {
        malformed('The body must have exactly ' + names.join(', ') + ', not: ' + (given || 'nothing') + '.');
    }
}

function whole(body, name, least, most) {
    const value = body[name];
    if (typeof value !== 'number' || Math.floor(value) !== value || value < least || value > most) {
        malformed(name + ' must be a whole number from ' + least + ' to ' + most + '.');
    }
}

function oneOf(value, name) {
    if (!SIDES.includes(value)) {
        malformed(name + ' must be one of ' + SIDES.join(', ') + '.');
    }
}

function parsed(r) {
    if (r.method === 'GET') {
        return {};
    }
    let body;
    try {
        body = JSON.parse(r.requestText);
    } catch (e) {
        malformed('The body is not JSON.');
    }
    return object(body, 'The body');
}

function object(value, name) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
        malformed(name + ' must be a JSON object.');
    }
    return value;
}

function known(domain) {
    if (!table.knows(domain)) {
        throw new Refusal(404, 'no-such-domain', 'This proxy knows no domain "' + domain + '".');
    }
}

async function answer(r) {
    const found = /^(\/[a-z]+\/?)([^\/]*)$/.exec(r.uri);
    const path = found ? found[1] : '';
    const action = ACTIONS[r.method + ' ' + path];
    if (!action || (path.endsWith('/') ? found[2] === '' : found[2] !== '')) {
        throw new Refusal(404, 'no-such-path', r.method + ' ' + r.uri + ' is not part of the admin API.');
    }
    if (found[2] !== '') {
        known(found[2]);
    }
    return action(found[2], parsed(r), r.variables);
}

async function serve(r) {
    try {
        send(r, 200, 'application/json', await answer(r));
    } catch (e) {
        if (e instanceof Refusal) {
            const body = { type: '/problems/' + e.code, title: e.code, status: e.status, detail: e.detail };
            if (e.current) {
                body.current = e.current;
            }
            send(r, e.status, 'application/problem+json', body);
        } else {
            r.error('fig: admin: ' + e.message);
            send(r, 500, 'application/problem+json', {
                type: '/problems/admin-failed', title: 'admin-failed', status: 500, detail: e.message,
            });
        }
    }
}

// Another number when a client that knows only the one before could be wrong about what it does here.
const PROTOCOL = '1';

function send(r, status, type, body) {
    r.headersOut['X-Fig-Protocol'] = PROTOCOL;
    r.headersOut['Content-Type'] = type;
    r.return(status, JSON.stringify(body) + '\n');
}

async function metrics(r) {
    try {
        await ledger.add(r.variables);
        r.headersOut['Content-Type'] = 'text/plain; version=0.0.4; charset=utf-8';
        r.return(200, figures.metrics());
    } catch (e) {
        r.error('fig: figures: ' + e.message);
        r.return(500, 'The figures cannot be added up: ' + e.message + '\n');
    }
}

// Each second, in one worker.
async function tend(session) {
    try {
        await change.tend(session.variables);
        await ledger.add(session.variables);
    } catch (e) {
        ngx.log(ngx.ERR, 'fig: ' + e.message);
    }
}

export default { serve, metrics, tend };
