"""What one proxy is: frozen values, checked as a whole before anything is rendered from them.

    Upstream(name, servers, tls_name=None)         # servers: "host:port" or "unix:/path"; tls_name: proxy/tls.py
    Route(path, methods=())                        # a prefix of whole path segments; no methods = all
    Domain(name, routes, monolith, service, read_by=(), owner=Side.MONOLITH, canary=None)
                                                   # monolith, service: names of upstreams;
                                                   # owner: until a route was ever set (epoch 0);
                                                   # canary: proxy/canary.py; None, its reads go to the owner only
    Identity(path="/internal/users/session", cookies=("session", "remember_token"), seconds=5)
    Static(path, folder, policy=STRICT_POLICY)     # files for people, where no domain's route is; policy: CSP
    Limits(longest_hold_ms=10_000, longest_mark_wait_ms=2_000, mark_seconds=60, upstream_seconds=60)
    ProxyConfig(folder, public, internal, metrics, upstreams, default_upstream, domains=(), identity=None,
                static=(), limits=Limits(), worker_processes=2, largest_body=64 MiB, secure_cookies=False, user=None,
                resolver=None, tls=None, upstream_authorities=None)   # proxy/tls.py

`ProxyConfig.parse(mapping)` reads the same names from JSON; `config.document()` is its inverse.
Constructing an invalid ProxyConfig raises ConfigInvalid with every problem at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proxy.canary import Canary, canary_problems
from proxy.errors import ConfigInvalid
from proxy.patterns import ADDRESS, COOKIE, FOLDER, PATH, POLICY, USER
from proxy.routes import Domain, Route, Side, Upstream, domain_problems, upstream_problems
from proxy.tls import Tls, tls_problems

STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Identity:
    """Who the user is, asked from whoever owns `path`; requests with none of `cookies` are anonymous."""

    path: str = "/internal/users/session"
    cookies: tuple[str, ...] = ("session", "remember_token")
    seconds: int = 5


@dataclass(frozen=True)
class Static:
    """Files that the public listener serves below `path`, to be read only. A page /x is the file x or x.html."""

    path: str
    folder: Path
    policy: str = STRICT_POLICY

    @property
    def prefix(self) -> str:
        """What the addresses of its files begin with."""
        return "/" if self.path == "/" else self.path + "/"


@dataclass(frozen=True)
class Limits:
    """How long anything may take; each one ends in an honest 503."""

    longest_hold_ms: int = 10_000
    longest_mark_wait_ms: int = 2_000
    mark_seconds: int = 60
    upstream_seconds: int = 60


@dataclass(frozen=True)
class ProxyConfig:
    """One nginx: `folder` holds all its files; `user` is who the workers run as when root starts it."""

    folder: Path
    public: str
    internal: str
    metrics: str
    upstreams: tuple[Upstream, ...]
    default_upstream: str
    domains: tuple[Domain, ...] = ()
    identity: Identity | None = None
    static: tuple[Static, ...] = ()
    limits: Limits = field(default_factory=Limits)
    worker_processes: int = 2
    largest_body: int = 64 * 1024 * 1024
    secure_cookies: bool = False
    user: str | None = None
    resolver: str | None = None
    """HOST:PORT of the name server that is asked again and again for upstreams given by name; else only at start."""
    tls: Tls | None = None
    upstream_authorities: Path | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigInvalid(problems)

    @property
    def admin_socket(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us by https only."""
        return self.secure_cookies or self.tls is not None

    @property
    def identity_domain(self) -> Domain | None:
        """Whose owner knows who the user is."""
        return self.domain_of("GET", self.identity.path) if self.identity else None

    def domain_of(self, method: str, path: str) -> Domain | None:
        """The domain of a request: the longest route wins, one with methods before one without."""
        for route, domain in self.routes_by_rank():
            if (not route.methods or method in route.methods) and (path + "/").startswith(route.path + "/"):
                return domain
        return None

    def routes_by_rank(self) -> list[tuple[Route, Domain]]:
        """All routes, the one that decides first."""
        pairs = [(route, domain) for domain in self.domains for route in domain.routes]
        return sorted(pairs, key=lambda p: (-p[0].path.count("/"), p[0].path, not p[0].methods, p[0].methods))

    def paths_of_domains(self) -> list[str]:
        """Where no file is ever looked for: all routes of domains, whatever their methods."""
        return sorted({route.path for domain in self.domains for route in domain.routes})

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> ProxyConfig:
        """From the mapping that `document()` gives; unknown or missing names raise ConfigInvalid."""
        try:
            values = dict(document)
            values["folder"] = Path(values["folder"])
            upstreams = values["upstreams"]
            values["upstreams"] = tuple(Upstream(**{**u, "servers": tuple(u["servers"])}) for u in upstreams)
            values["domains"] = tuple(_domain(d) for d in values.get("domains", ()))
            if values.get("identity") is not None:
                identity = dict(values["identity"])
                values["identity"] = Identity(**{**identity, "cookies": tuple(identity["cookies"])})
            values["static"] = tuple(Static(**{**s, "folder": Path(s["folder"])}) for s in values.get("static", ()))
            if "limits" in values:
                values["limits"] = Limits(**values["limits"])
            if values.get("tls") is not None:
                tls = values["tls"]
                values["tls"] = Tls(**{**tls, "certificate": Path(tls["certificate"]), "key": Path(tls["key"])})
            if values.get("upstream_authorities") is not None:
                values["upstream_authorities"] = Path(values["upstream_authorities"])
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigInvalid([f"not readable ({type(error).__name__}: {error})"]) from error

    def document(self) -> dict[str, Any]:
        """Plain JSON values; `parse` reads them back."""
        document: dict[str, Any] = _plain(asdict(self))
        return document


def _plain(value: Any) -> Any:
    """The same with paths as text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _domain(document: Mapping[str, Any]) -> Domain:
    routes = tuple(Route(r["path"], tuple(r.get("methods", ()))) for r in document["routes"])
    rest = {**document, "routes": routes, "read_by": tuple(document.get("read_by", ()))}
    if rest.get("canary") is not None:
        rest["canary"] = Canary.parse(rest["canary"])
    return Domain(**{**rest, "owner": Side(document.get("owner", Side.MONOLITH))})


def _problems(config: ProxyConfig) -> Iterator[str]:
    if not FOLDER.fullmatch(str(config.folder)):
        yield f"folder {str(config.folder)!r} must be an absolute path of plain characters"
    for name in ("public", "internal", "metrics"):
        if not ADDRESS.fullmatch(getattr(config, name)):
            yield f"{name} {getattr(config, name)!r} is not an address like 127.0.0.1:7400"
    if len({config.public, config.internal, config.metrics}) < 3:
        yield "public, internal and metrics must be three different addresses"
    if config.user is not None and not USER.fullmatch(config.user):
        yield f"user {config.user!r} is not a user name"
    if config.resolver is not None and not ADDRESS.fullmatch(config.resolver):
        yield f"resolver {config.resolver!r} is not an address like 127.0.0.11:53"
    figures = {"worker_processes": config.worker_processes, "largest_body": config.largest_body}
    for name, value in {**figures, **asdict(config.limits)}.items():
        if type(value) is not int or value < 1:
            yield f"{name} {value!r} must be a whole number of at least 1"
    if type(config.secure_cookies) is not bool:
        yield f"secure_cookies {config.secure_cookies!r} must be true or false"
    used = {config.default_upstream} | {name for d in config.domains for name in (d.monolith, d.service)}
    yield from upstream_problems(config.upstreams, used)
    yield from domain_problems(config.domains)
    yield from _static_problems(config)
    listeners = (config.public, config.internal, config.metrics)
    yield from tls_problems(config.tls, config.upstream_authorities, config.upstreams, listeners)
    for domain in config.domains:
        if domain.canary is not None:
            yield from canary_problems(domain.name, domain.canary)
    if config.identity is not None:
        yield from _identity_problems(config.identity)


def _static_problems(config: ProxyConfig) -> Iterator[str]:
    paths = [static.path for static in config.static]
    for static in config.static:
        plain = static.path == "/" or (PATH.fullmatch(static.path) and ".." not in static.path)
        if not plain or (static.path + "/").startswith("/internal/"):
            yield f"static path {static.path!r} must be / or like /shop, and not internal"
        if not FOLDER.fullmatch(str(static.folder)) or ".." in static.folder.parts:
            yield f"static folder {str(static.folder)!r} must be an absolute path of plain characters"
        if not POLICY.fullmatch(static.policy):
            yield f"policy {static.policy!r} of static path {static.path!r} must be directives in one line"
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield f"static path {path!r} is given twice"


def _identity_problems(identity: Identity) -> Iterator[str]:
    if not PATH.fullmatch(identity.path):
        yield f"identity path {identity.path!r} must be like /internal/users/session"
    if not identity.cookies:
        yield "identity needs the name of at least one session cookie"
    for cookie in identity.cookies:
        if not COOKIE.fullmatch(cookie):
            yield f"cookie {cookie!r} must be letters, digits and underscores"
    if type(identity.seconds) is not int or identity.seconds < 1:
        yield f"identity seconds {identity.seconds!r} must be a whole number of at least 1"
