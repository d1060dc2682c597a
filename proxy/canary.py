"""What holds for a canary of a domain's reads, as values of a proxy's configuration; canary.js acts on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from proxy.patterns import COOKIE, HEADER, HOST, PATH


@dataclass(frozen=True)
class Cohort:
    """Requests with this header or cookie, for this host, or below this path."""

    kind: Literal["header", "cookie", "host", "path"]
    value: str
    name: str = ""


@dataclass(frozen=True)
class Canary:
    """What holds for a canary of a domain's reads, whatever its share is."""

    applied_age_ms: int = 5_000
    """A service's copy that is older gets no reads."""
    first_byte_ms: int = 1_000
    """How long the service has for the beginning of an answer, and for each pause in it; then the owner answers."""
    always: tuple[Cohort, ...] = ()
    never: tuple[Cohort, ...] = ()
    """Stronger than `always`."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Canary:
        """From plain JSON values."""
        cohorts = {name: tuple(Cohort(**one) for one in document.get(name, ())) for name in ("always", "never")}
        return cls(**{**document, **cohorts})


def canary_problems(domain: str, canary: Canary) -> Iterator[str]:
    """What cannot be printed or meant."""
    for name in ("applied_age_ms", "first_byte_ms"):
        value = getattr(canary, name)
        if type(value) is not int or value < 1:
            yield f"canary {name} {value!r} of domain {domain!r} must be a whole number of at least 1"
    for cohort in (*canary.always, *canary.never):
        if not _is_cohort(cohort):
            yield f"cohort {cohort.kind} {cohort.name!r} {cohort.value!r} of domain {domain!r} is malformed"


def _is_cohort(cohort: Cohort) -> bool:
    match cohort.kind:
        case "header":
            return bool(HEADER.fullmatch(cohort.name) and cohort.value)
        case "cookie":
            return bool(COOKIE.fullmatch(cohort.name) and cohort.value)
        case "host":
            return bool(HOST.fullmatch(cohort.value)) and not cohort.name
        case "path":
            return bool(PATH.fullmatch(cohort.value)) and not cohort.name
    return False
