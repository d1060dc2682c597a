"""The plan's section `canary`: in which steps the service gets the users' reads, and what has to hold meanwhile."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from migration_plan.configuration.documents import Part
from migration_plan.configuration.units import Duration
from proxy import canary

WHOLE = 10_000
"""All users: shares are counted in 1/100 %, as the proxies do."""

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%")


def share(value: object) -> int:
    """'25%' -> 2500."""
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError("a share is written like 25% or 0.05%, in steps of 0.01%")
    return round(float(match[1]) * 100)


def said(hundredths: int) -> str:
    """2500 -> '25%'."""
    return f"{hundredths / 100:g}%"


def _rate(value: object) -> float:
    return share(value) / WHOLE


Share = Annotated[int, BeforeValidator(share)]
Rate = Annotated[float, BeforeValidator(_rate)]


class CohortRule(Part):
    """{header: X-Staff, is: "yes"}, {cookie: beta, is: "on"}, {host: tenant.example.org} or {path: /api/x/tenant}."""

    model_config = ConfigDict(populate_by_name=True)

    header: str = ""  # Of the request; needs `is`.
    cookie: str = ""  # Of the request; needs `is`.
    host: str = ""  # The request's Host.
    path: str = ""  # A prefix of its path.
    value: str = Field(default="", alias="is")  # What the header or cookie has to be.

    @model_validator(mode="after")
    def _one_kind(self) -> CohortRule:
        given = [kind for kind in ("header", "cookie", "host", "path") if getattr(self, kind)]
        if len(given) != 1 or bool(self.value) != (given[0] in ("header", "cookie")):
            raise ValueError(
                "a cohort is one of: {header: NAME, is: VALUE}, {cookie: NAME, is: VALUE}, {host: NAME}, {path: PATH}"
            )
        if problems := list(canary.canary_problems("", canary.Canary(always=(self.cohort,)))):
            raise ValueError(problems[0])
        return self

    @property
    def cohort(self) -> canary.Cohort:
        """As the proxies know it."""
        if self.header:
            return canary.Cohort("header", self.value, self.header)
        if self.cookie:
            return canary.Cohort("cookie", self.value, self.cookie)
        return canary.Cohort("host", self.host) if self.host else canary.Cohort("path", self.path)


class CanaryLimits(Part):
    """What the service may cost its users. The first six end a canary within seconds."""

    model_config = ConfigDict(strict=False)

    errors: Rate = 0.01
    """By how much its rate of failed reads may be above the monolith's."""
    refused: Rate = 0.05
    """The same for answers 4xx: a service that finds nothing makes no errors."""
    latency: float = Field(default=1.5, ge=1.0)
    """How many times the monolith's p95 and p99 its own may be …"""
    slack: Duration = 0.02
    """… and this much more, for a few milliseconds are worth nothing."""
    lag: Duration = 3.0
    """How far its copy may be behind."""
    applied_age: Duration = Field(default=5.0, ge=0.1)
    """A copy that is older gets no reads, at once and by the proxies themselves."""
    first_byte: Duration = Field(default=1.0, ge=0.01)
    """How long it has to begin an answer; then the monolith gives one."""


class CanaryRules(Part):
    """Steps, evidence and limits of a domain's canary."""

    model_config = ConfigDict(strict=False)

    steps: Annotated[tuple[Share, ...], Field(min_length=1)] = (100, 500, 2500, 5000, WHOLE)
    """Shares of the users, each larger than the one before."""
    each: Duration = 300.0
    """How long each step lasts at least."""
    requests: int = Field(default=100, ge=1)
    """Reads that the service has to have answered in each step, at least."""
    limits: CanaryLimits = CanaryLimits()
    """What ends a canary."""
    on_breach: Literal["back", "freeze"] = "back"
    """All users back to the monolith, or the share stays and the alarm rings."""
    always: tuple[CohortRule, ...] = ()
    """Who is in as soon as there is any share."""
    never: tuple[CohortRule, ...] = ()
    """Who is never in; stronger than always."""

    @model_validator(mode="after")
    def _grows(self) -> CanaryRules:
        if self.steps[0] == 0 or any(one >= other for one, other in pairwise(self.steps)):
            raise ValueError("steps are more than 0% and grow")
        return self

    def step_after(self, hundredths: int) -> int | None:
        """The next larger step; None: that was the last."""
        return next((step for step in self.steps if step > hundredths), None)

    @property
    def for_proxies(self) -> canary.Canary:
        """What a proxy has to know of it."""
        return canary.Canary(
            applied_age_ms=round(self.limits.applied_age * 1000),
            first_byte_ms=round(self.limits.first_byte * 1000),
            always=tuple(rule.cohort for rule in self.always),
            never=tuple(rule.cohort for rule in self.never),
        )
