"""A proxy's values -> the text of its files. Pure: reads the template and the scripts, writes nothing.

`files(config, user_line, proc) -> dict[str, str]`: file name -> content, all for `<folder>/conf`.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from proxy.config import ProxyConfig, Static
from proxy.headers import headers
from proxy.routes import Domain, Route, Upstream
from proxy.script_settings import settings_json

SCRIPTS = (
    "writes.js", "router.js", "entry.js", "fences.js", "clock.js",
    "answers.js", "table.js", "marks.js", "counts.js", "shadow.js", "sampling.js",
    "canary.js",
    "admin.js", "change.js", "figures.js", "ledger.js",
)  # fmt: skip

# Of the files that are served; whatever else there is comes as bytes to be saved.
CONTENT_TYPES = {
    "text/html": "html", "text/css": "css", "text/javascript": "js mjs", "text/plain": "txt",
    "application/json": "json map", "application/manifest+json": "webmanifest", "image/svg+xml": "svg",
    "image/png": "png", "image/jpeg": "jpg jpeg", "image/webp": "webp", "image/x-icon": "ico", "font/woff2": "woff2",
}  # fmt: skip


BODY_BUFFER = 16384
"""Bytes of a body that are kept in memory; a longer one is received to disk."""

# Every client of the last ten years, and forward secrecy for all of them; TLS 1.3 brings its own.
TLS_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)


def files(config: ProxyConfig, user_line: str = "", proc: bool = True, fingerprint: str = "") -> dict[str, str]:
    """Everything that nginx reads, by file name. `fingerprint` (proxy/tls.py) differs with the certificate."""
    scripts = {name: (resources.files("proxy") / name).read_text() for name in SCRIPTS}
    main = nginx_conf(config, user_line, fingerprint)
    return {"nginx.conf": main, "settings.json": settings_json(config, proc), **scripts}


def nginx_conf(config: ProxyConfig, user_line: str = "", fingerprint: str = "") -> str:
    """The main file. `user_line` is empty for an ordinary user, who cannot choose."""
    limits = config.limits
    waits = 2 * limits.longest_hold_ms + limits.longest_mark_wait_ms  # A held request may bounce as well.
    return _template().render(
        user_line=user_line,
        worker_processes=config.worker_processes,
        folder=config.folder,
        shutdown_seconds=waits // 1000 + limits.upstream_seconds + 1,
        upstream_seconds=limits.upstream_seconds,
        largest_body=config.largest_body,
        body_buffer=BODY_BUFFER,
        default_upstream=config.default_upstream,
        mark_seconds=limits.mark_seconds,
        secure="; Secure" if config.is_secure else "",
        domain_lines=[_domain_line(route, domain) for route, domain in config.routes_by_rank()],
        resolver=config.resolver,
        side_lines=sorted(
            f'"{domain.name} {side}" {upstream};'
            for domain in config.domains
            for side, upstream in domain.upstreams.items()
        ),
        upstreams=[{"name": u.name, "servers": _server_lines(u, config.resolver)} for u in config.upstreams],
        identity=_identity(config),
        identity_value="$fig_identity" if config.identity else "",
        canaries=[
            {"domain": domain.name, "first_byte_ms": domain.canary.first_byte_ms}
            for domain in config.domains
            if domain.canary
        ],
        static=[_static(number, one) for number, one in enumerate(config.static)],
        static_at_root=any(one.path == "/" for one in config.static),
        content_types=CONTENT_TYPES,
        servers=[_public(config), _internal(config)],
        metrics=config.metrics,
        fingerprint=fingerprint,
        tls_ciphers=TLS_CIPHERS,
        tls_questions=_tls_questions(config),
        upstream_authorities=config.upstream_authorities,
        redirect=config.tls.redirect if config.tls else None,
        https_port=(":" + config.public.rpartition(":")[2]).removesuffix(":443"),
    )


@cache
def _template() -> jinja2.Template:
    # nginx.conf is not HTML, and values are checked in config.py to need no escaping.
    environment = jinja2.Environment(  # noqa: S701
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string((resources.files("proxy") / "templates" / "nginx.conf.j2").read_text())


def _domain_line(route: Route, domain: Domain) -> str:
    methods = f"(?:{'|'.join(sorted(route.methods))})" if route.methods else "[A-Z]+"
    return f'"~^{methods}:{re.escape(route.path)}(?:/|\\z)" {domain.name};'


def _static(number: int, static: Static) -> dict[str, Any]:
    # No segment begins with a dot, so hidden files are never served, and the name for "no file" can be none.
    below = re.escape(static.prefix.removesuffix("/"))
    return {
        "number": number,
        "pattern": f'"~^(?:GET|HEAD):{below}(?<fig_found_{number}>(?:/(?!\\.)[^/]*)+)\\z"',
        "prefix": static.prefix,
        "folder": static.folder,
        "policy": static.policy,
    }


def _server_lines(upstream: Upstream, resolver: str | None) -> list[str]:
    # A process that does not answer is left out for a second while another lives; an only one never is.
    policy = "max_fails=1 fail_timeout=1s" if len(upstream.servers) > 1 else "max_fails=0"
    return [
        f"{server} {policy} resolve" if resolver and _is_name(server) else f"{server} {policy}"
        for server in upstream.servers
    ]


def _is_name(server: str) -> bool:
    if server.startswith("unix:"):
        return False
    try:
        ipaddress.ip_address(server.rpartition(":")[0].strip("[]"))
    except ValueError:
        return True
    return False


def _identity(config: ProxyConfig) -> dict[str, Any] | None:
    if config.identity is None:
        return None
    domain = config.identity_domain
    cookies = [f"$cookie_{name}" for name in config.identity.cookies]
    return {
        "present": "".join(cookies),
        "key": ";".join(cookies),
        "path": config.identity.path,
        "domain": domain.name if domain else "/none",
        "otherwise": "$fig_identity_asked" if domain else config.default_upstream,
        "side_lines": [f'"~ {side}\\z" {upstream};' for side, upstream in domain.upstreams.items()] if domain else [],
        "seconds": config.identity.seconds,
        "scheme": "$fig_identity_scheme" if _tls_questions(config) else "http",
    }


def _tls_questions(config: ProxyConfig) -> list[dict[str, Any]]:
    """What tells the TLS name of an upstream: of a request's own one, and of the one that knows who the user is."""
    names = {upstream.name: upstream.tls_name for upstream in config.upstreams if upstream.tls_name is not None}
    if not names:
        return []
    questions: list[dict[str, Any]] = [
        {"key": "$fig_upstream", "name": "$fig_tls_name", "scheme": "$fig_scheme", "lines": list(names.items())}
    ]
    if config.identity is not None:
        # Requests of users whom nobody knows go to our own refusal, in the clear.
        lines = [('"~^202:"', ""), *((f'"~:{upstream}\\z"', name) for upstream, name in names.items())]
        questions[0] |= {"key": "$fig_identity_status:$fig_upstream", "lines": lines}
        questions.append(
            {
                "key": "$fig_identity_upstream", "name": "$fig_identity_tls_name", "scheme": "$fig_identity_scheme",
                "lines": list(names.items()),
            }
        )  # fmt: skip
    return questions


def _scheme(config: ProxyConfig) -> str:
    return "$fig_scheme" if any(upstream.tls_name for upstream in config.upstreams) else "http"


def _public(config: ProxyConfig) -> dict[str, Any]:
    identity = config.identity is not None
    return {
        "name": "public",
        "address": config.public,
        "request_id": "$request_id",
        "hides_internal": True,
        "static": bool(config.static),
        "paths_of_domains": "|".join(re.escape(path) for path in config.paths_of_domains()),
        "identity": identity,
        "peer": "$fig_peer" if identity else "$fig_upstream",
        "scheme": _scheme(config),
        "tls": config.tls,
        "headers": headers("$fig_request_id", "$fig_identity" if identity else '""', "$fig_admitted"),
    }


def _internal(config: ProxyConfig) -> dict[str, Any]:
    return {
        "name": "internal",
        "address": config.internal,
        "request_id": "$fig_passed_id",
        "hides_internal": False,
        "static": False,
        "identity": False,
        "peer": "$fig_upstream",
        "scheme": _scheme(config),
        "tls": None,
        "headers": headers("$fig_request_id", '""', "$fig_admission"),
    }
