"""What each proxy has to be, computed from the settings and the plans.

`python -m migration_plan.proxies NAME` becomes that proxy's nginx, in the foreground. With `--install` it only leaves
the configuration in the proxy's folder, for an nginx that somebody else starts.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from migration_plan import bootstrap
from migration_plan.configuration import settings as settings_file
from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Proxy, ProxyTls, Settings
from migration_plan.errors import FigError
from migration_plan.lifecycle import Stage
from proxy import config, installation, nginx
from proxy.client import RouteState
from proxy.errors import ProxyError
from proxy.routes import Domain, Route, Upstream
from proxy.tls import Tls


def proxy_configs(settings: Settings, plans: Sequence[Plan]) -> dict[str, config.ProxyConfig]:
    """By name; ConfigInvalid (of proxy.errors) lists what does not fit together."""
    return {proxy.name: _config(settings, proxy, plans) for proxy in settings.proxies}


def _config(settings: Settings, proxy: Proxy, plans: Sequence[Plan]) -> config.ProxyConfig:
    folder, asked = settings.file.parent, settings.identity
    names = settings.upstream_tls.names if settings.upstream_tls else {}
    identity = config.Identity(asked.path, asked.cookies, asked.cache_seconds) if asked else None
    return config.ProxyConfig(
        folder=Path(proxy.folder),
        public=proxy.listeners.public,
        internal=proxy.listeners.internal,
        metrics=proxy.listeners.metrics,
        upstreams=tuple(
            Upstream(name, servers, names.get(name)) for name, servers in sorted(settings.upstreams.items())
        ),
        default_upstream=settings.default_upstream,
        domains=tuple(_domain(plan) for plan in sorted(plans, key=lambda plan: plan.domain)),
        identity=identity,
        static=tuple(
            config.Static(static.path, Path(os.path.normpath(folder / static.folder)), static.policy)
            for static in settings.static
        ),
        limits=config.Limits(upstream_seconds=math.ceil(settings.requests.answer)),
        largest_body=settings.requests.largest_body,
        worker_processes=proxy.worker_processes,
        secure_cookies=settings.secure_cookies,
        user=proxy.user,
        resolver=settings.resolver or None,
        tls=_tls(proxy.tls, folder) if proxy.tls else None,
        upstream_authorities=folder / settings.upstream_tls.authorities if settings.upstream_tls else None,
    )


def _tls(tls: ProxyTls, folder: Path) -> Tls:
    return Tls(folder / tls.certificate, folder / tls.key, tls.redirect)


def _domain(plan: Plan) -> Domain:
    return Domain(
        name=plan.domain,
        routes=tuple(Route(route.path, route.methods) for route in plan.routes),
        monolith=plan.sides.monolith.upstream,
        service=plan.sides.service.upstream,
        read_by=plan.read_by,
        canary=plan.canary.for_proxies if Stage.CANARY in plan.stages else None,
    )


def reload_all(environment: Mapping[str, str], names: Sequence[str] = ()) -> dict[str, dict[str, RouteState]]:
    """Put settings, plans, certificates and scripts as they are now into effect, in all proxies or in those named, one
    after the other; what each one does afterwards. Stops at the first that cannot."""
    return {name: nginx.reload(one) for name, one in _chosen(environment, names).items()}


def _chosen(environment: Mapping[str, str], names: Sequence[str]) -> dict[str, config.ProxyConfig]:
    settings = settings_file.load(environment)
    plans = bootstrap.load_plans(settings, environment)
    configs = proxy_configs(settings, list(plans.values()))
    for name in names:
        if name not in configs:
            raise FigError(f'fig.yml names no proxy "{name}"; there are: {", ".join(configs)}', "correct fig.yml")
    return {name: one for name, one in configs.items() if name in names or not names}


def main(name: str, *, only_install: bool = False) -> None:
    """Install the named proxy's configuration, and become it unless told otherwise."""
    try:
        chosen = _chosen(os.environ, [name])[name]
        if only_install:
            installation.install(chosen)
        else:
            nginx.run(chosen)
    except (FigError, ProxyError) as error:
        sys.exit(f"{error}\nnext: {error.next_step}")


if __name__ == "__main__":
    main(sys.argv[1], only_install="--install" in sys.argv[2:])
