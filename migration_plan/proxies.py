"""What each proxy has to be, computed from the settings and the plans.

`python -m migration_plan.proxies NAME` becomes that proxy's nginx, in the foreground.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from migration_plan import plan as plan_files
from migration_plan import settings as settings_file
from migration_plan.errors import FigError
from migration_plan.lifecycle import Stage
from migration_plan.plan import Plan
from migration_plan.settings import Proxy, Settings
from proxy import config, nginx
from proxy.errors import ProxyError


def proxy_configs(settings: Settings, plans: Sequence[Plan]) -> dict[str, config.ProxyConfig]:
    """By name; ConfigInvalid (of proxy.errors) lists what does not fit together."""
    return {proxy.name: _config(settings, proxy, plans) for proxy in settings.proxies}


def _config(settings: Settings, proxy: Proxy, plans: Sequence[Plan]) -> config.ProxyConfig:
    upstreams, asked = settings.upstreams.items(), settings.identity
    identity = config.Identity(asked.path, asked.cookies, asked.cache_seconds) if asked else None
    return config.ProxyConfig(
        folder=Path(proxy.folder),
        public=proxy.listeners.public,
        internal=proxy.listeners.internal,
        metrics=proxy.listeners.metrics,
        upstreams=tuple(config.Upstream(name, servers) for name, servers in sorted(upstreams)),
        default_upstream=settings.default_upstream,
        domains=tuple(_domain(plan) for plan in sorted(plans, key=lambda plan: plan.domain)),
        identity=identity,
        static=tuple(
            config.Static(static.path, Path(os.path.normpath(settings.file.parent / static.folder)), static.policy)
            for static in settings.static
        ),
        worker_processes=proxy.worker_processes,
        secure_cookies=settings.secure_cookies,
        user=proxy.user,
    )


def _domain(plan: Plan) -> config.Domain:
    return config.Domain(
        name=plan.domain,
        routes=tuple(config.Route(route.path, route.methods) for route in plan.routes),
        monolith=plan.sides.monolith.upstream,
        service=plan.sides.service.upstream,
        read_by=plan.read_by,
        canary=plan.canary.for_proxies if Stage.CANARY in plan.stages else None,
    )


def main(name: str) -> None:
    """Install the named proxy's configuration and become it."""
    try:
        settings = settings_file.load(os.environ)
        plans = [plan_files.load(file, os.environ) for file in settings.plan_files]
        configs = proxy_configs(settings, plans)
        if name not in configs:
            raise FigError(f'fig.yml names no proxy "{name}"; there are: {", ".join(configs)}', "correct fig.yml")
        nginx.run(configs[name])
    except (FigError, ProxyError) as error:
        sys.exit(f"{error}\nnext: {error.next_step}")


if __name__ == "__main__":
    main(sys.argv[1])
