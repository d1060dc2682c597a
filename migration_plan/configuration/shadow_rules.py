"""The plan's section `shadow`: which reads are compared, how many, and when that is enough."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Annotated, Protocol

from pydantic import BeforeValidator, ConfigDict, Field

from migration_plan.configuration.documents import Part
from migration_plan.configuration.units import Duration

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def share(value: object) -> float:
    """'5%' -> 0.05."""
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError("a share is written like 5% or 0.1%")
    return float(match[1]) / 100


Share = Annotated[float, BeforeValidator(share)]
Pattern = Annotated[str, Field(pattern=r"^(?:/(?:[A-Za-z0-9._~-]+|\{[a-z_]+\}))+$")]
HeaderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class ShadowRules(Part):
    """What is compared in stage `shadow`, and what has to be known before it is left."""

    model_config = ConfigDict(strict=False)

    routes: tuple[Pattern, ...] = Field(min_length=1)
    """Reads that change nothing, as /api/catalog/products/{id}: each {…} is one segment of the path."""
    sample: Share = Field(default=0.05, gt=0)
    """Of the domain's reads; each costs the monolith two more."""
    rate: float = Field(default=5.0, gt=0, le=100)
    """At most so many comparisons a second, shared evenly by the routes."""
    comparisons: int = Field(default=300, ge=1)
    """Of each route, at least."""
    mismatches: Share = Field(default=0.01, gt=0)
    """The rate of each route that the confidence interval's upper end has to be under."""
    fresh: Duration = 86400.0
    """How old the newest comparison of each route may be."""
    headers: tuple[HeaderName, ...] = ("content-type", "location")
    """That have to be equal as well, in lower case."""
    ignore: dict[str, str] = Field(default_factory=dict)
    """Field paths that are meant to differ, each with the reason."""
    show: tuple[str, ...] = ()
    """Field paths whose values say nothing of anybody, and are kept as they are."""
    keep: Duration = 604800.0
    """For how long examples of differences are kept."""


class _Route(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def methods(self) -> Collection[str]: ...


def problems(rules: ShadowRules | None, is_wanted: bool, routes: Iterable[_Route]) -> list[str]:
    """What does not fit to the rest of the plan. `is_wanted`: whether the plan's stages have `shadow`."""
    if rules is None:
        return ['stage "shadow" needs `shadow: {routes: [...]}`: the reads that change nothing'] if is_wanted else []
    readable = [route.path for route in routes if not route.methods or "GET" in route.methods]
    return [
        f"shadow.routes: {pattern} is no GET route of the domain"
        for pattern in rules.routes
        if not any((pattern + "/").startswith(path + "/") for path in readable)
    ]
