"""Where requests may go: the two sides of a domain, its routes, and the upstreams that serve it. Values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from proxy.canary import Canary
from proxy.patterns import ADDRESS, METHOD, NAME, PATH

# Upstreams of our own in the same nginx start like this.
RESERVED = "fig_"


class Side(StrEnum):
    """The two places where a domain can live."""

    MONOLITH = "monolith"
    SERVICE = "service"


@dataclass(frozen=True)
class Upstream:
    """Processes that serve the same thing; one that is dead is skipped while another lives."""

    name: str
    servers: tuple[str, ...]
    tls_name: str | None = None


@dataclass(frozen=True)
class Route:
    """Requests of a domain: a prefix of whole path segments, for some methods or (none named) for all."""

    path: str
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """What moves together; `read_by` are paths of other domains that read this domain's tables."""

    name: str
    routes: tuple[Route, ...]
    monolith: str
    service: str
    read_by: tuple[str, ...] = ()
    owner: Side = Side.MONOLITH
    canary: Canary | None = None

    @property
    def upstreams(self) -> dict[str, str]:
        """The upstream of each side, by the side's name."""
        return {Side.MONOLITH.value: self.monolith, Side.SERVICE.value: self.service}


def upstream_problems(upstreams: Sequence[Upstream], used: Collection[str]) -> Iterator[str]:
    """What is wrong with them, each in one sentence; `used`: the names that somebody asks for."""
    names = [upstream.name for upstream in upstreams]
    for upstream in upstreams:
        if not NAME.fullmatch(upstream.name) or upstream.name.startswith(RESERVED):
            yield f"upstream {upstream.name!r} must be a lower-case name not starting with {RESERVED!r}"
        if not upstream.servers:
            yield f"upstream {upstream.name!r} has no servers"
        for server in upstream.servers:
            if not ADDRESS.fullmatch(server):
                yield f"server {server!r} of upstream {upstream.name!r} is not an address"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"upstream {name!r} is given twice"
    for name in sorted(set(used) - set(names)):
        yield f"upstream {name!r} is used but not given"


def domain_problems(domains: Sequence[Domain]) -> Iterator[str]:
    """What is wrong with them and their routes, each in one sentence."""
    names = [domain.name for domain in domains]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"domain {name!r} is given twice"
    seen: dict[tuple[str, str], str] = {}
    for domain in domains:
        if not NAME.fullmatch(domain.name):
            yield f"domain {domain.name!r} must be a lower-case name"
        if domain.monolith == domain.service:
            yield f"domain {domain.name!r} has the same upstream on both sides"
        if not domain.routes:
            yield f"domain {domain.name!r} has no routes"
        for path in [route.path for route in domain.routes] + list(domain.read_by):
            if not PATH.fullmatch(path) or ".." in path:
                yield f"path {path!r} of domain {domain.name!r} must be like /api/catalog"
        for route in domain.routes:
            for method in route.methods or ("",):
                if method and not METHOD.fullmatch(method):
                    yield f"method {method!r} of route {route.path!r} must be in capitals"
                if seen.setdefault((route.path, method), domain.name) != domain.name:
                    other = seen[route.path, method]
                    yield f"route {route.path!r} belongs to {other!r} and to {domain.name!r}"
