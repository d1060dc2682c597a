"""What each proxy has to be, computed from the settings and the plans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migration_plan.plan import Plan
from migration_plan.settings import Proxy, Settings
from proxy import config


def proxy_configs(settings: Settings, plans: Sequence[Plan]) -> dict[str, config.ProxyConfig]:
    """By name; ConfigInvalid (of proxy.errors) lists what does not fit together."""
    return {proxy.name: _config(settings, proxy, plans) for proxy in settings.proxies}


def _config(settings: Settings, proxy: Proxy, plans: Sequence[Plan]) -> config.ProxyConfig:
    identity = settings.identity
    return config.ProxyConfig(
        folder=Path(proxy.folder),
        public=proxy.listeners.public,
        internal=proxy.listeners.internal,
        metrics=proxy.listeners.metrics,
        upstreams=tuple(
            config.Upstream(name, servers) for name, servers in sorted(settings.upstreams.items())
        ),
        default_upstream=settings.default_upstream,
        domains=tuple(_domain(plan) for plan in sorted(plans, key=lambda plan: plan.domain)),
        identity=config.Identity(identity.path, identity.cookies, identity.cache_seconds)
        if identity
        else None,
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
    )
