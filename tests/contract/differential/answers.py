"""Whether two answers say the same. Pure but for the counterparts of ids, which are found on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from tests.contract.differential.domain import Domain, Noise, Rule, Same
from tests.support.clients import Answer

HEADERS = (
    "content-type",
    "location",
    "allow",
    "etag",
    "cache-control",
    "www-authenticate",
    "retry-after",
    "x-fig-fenced",
)
"""Those that a client acts upon. The request's id must be there and is its own on each side."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass
class Counterparts:
    """Which id of the one side is which of the other: one to one, for as long as a sequence lasts."""

    _there: dict[tuple[str, Any], Any] = field(default_factory=dict)
    _here: dict[tuple[str, Any], Any] = field(default_factory=dict)

    def match(self, kind: str, here: Any, there: Any) -> bool:
        """Whether they are counterparts; two that nobody has met yet become so."""
        return (
            self._there.setdefault((kind, here), there) == there and self._here.setdefault((kind, there), here) == here
        )


def differences(domain: Domain, here: Answer, there: Answer, counterparts: Counterparts) -> list[str]:
    """What a client could tell the two answers apart by; empty if nothing."""
    if here.status is None or there.status is None:
        return [f"an attempt broke: {here} | {there}"]
    found = [] if here.status == there.status else [f"status {here.status} | {there.status}"]
    # Without a body there is nothing whose type could matter.
    names = HEADERS if here.body or there.body else HEADERS[1:]
    found += _headers(domain, names, here.headers, there.headers, counterparts)
    if found and here.status != there.status:
        return [*found, f"{here.body[:400]!r} | {there.body[:400]!r}"]
    return found + list(_body(domain, here.body, there.body, counterparts))


def _headers(
    domain: Domain, names: tuple[str, ...], here: Mapping[str, str], there: Mapping[str, str], ids: Counterparts
) -> list[str]:
    found = []
    for name in names:
        one, other = here.get(name), there.get(name)
        if name == "retry-after" and one and other and abs(int(one) - int(other)) <= 1:
            continue  # A second may pass between the two.
        if name == "location" and domain.location and one and other:
            (one, one_id), (other, other_id) = (value.rpartition("/")[::2] for value in (one, other))
            if not ids.match(domain.location, int(one_id), int(other_id)):
                found.append(f"{name} ends in {one_id} | {other_id}")
        if one != other:
            found.append(f"header {name}: {one} | {other}")
    found += _identity(domain, here.get("x-identity", ""), there.get("x-identity", ""), ids)
    return found + [
        f"no x-request-id {side}"
        for side, headers in (("here", here), ("there", there))
        if "x-request-id" not in headers
    ]


def _identity(domain: Domain, here: str, there: str, ids: Counterparts) -> list[str]:
    """What two signed statements say; that they are rightly signed is for those who read them."""
    if not here or not there:
        return [] if here == there else [f"header x-identity: {here[:20]} | {there[:20]}"]
    one, other = (jwt.decode(statement, options={"verify_signature": False}) for statement in (here, there))
    return list(_values(domain, "x-identity", one, other, ids, []))


def _body(domain: Domain, here: bytes, there: bytes, ids: Counterparts) -> Iterator[str]:
    try:
        one, other = json.loads(here or b"null"), json.loads(there or b"null")
    except ValueError:
        if here != there:
            yield f"body {here[:200]!r} | {there[:200]!r}"
        return
    moments: list[tuple[str, str]] = []
    yield from _values(domain, "", one, other, ids, moments)
    if _ranks([a for a, _ in moments]) != _ranks([b for _, b in moments]):
        yield f"the order of moments: {moments}"


def _values(
    domain: Domain, path: str, here: Any, there: Any, ids: Counterparts, moments: list[tuple[str, str]]
) -> Iterator[str]:
    rule = domain.fields.get(path.rpartition(".")[2])
    if isinstance(here, dict) and isinstance(there, dict):
        for name in sorted({*here, *there}):
            if name not in here or name not in there:
                yield f"{path}.{name} is only {'here' if name in here else 'there'}"
            else:
                yield from _values(domain, f"{path}.{name}", here[name], there[name], ids, moments)
        if list(here) != list(there) and set(here) == set(there):
            yield f"{path}: members in another order"
    elif isinstance(here, list) and isinstance(there, list):
        if len(here) != len(there):
            yield f"{path} has {len(here)} | {len(there)} items"
        for number, (one, other) in enumerate(zip(here, there, strict=False)):
            # The rule of a list is that of its items.
            inner = f"{path}[{number}]" if isinstance(one, dict | list) else path
            yield from _values(domain, inner, one, other, ids, moments)
    elif type(here) is not type(there) or not agree(rule, here, there, ids):
        yield f"{path}: {here!r:.200} | {there!r:.200}"
    elif rule is Noise.MOMENT and here is not None:
        moments.append((here, there))


def values(domain: Domain, here: Any, there: Any, ids: Counterparts) -> list[str]:
    """In what two JSON values differ under the domain's rules."""
    return list(_values(domain, "", here, there, ids, []))


def agree(rule: Rule | None, here: Any, there: Any, ids: Counterparts) -> bool:
    """Whether two values of one field may stand for each other under the field's rule."""
    if here is None or there is None:
        return here is there
    match rule:
        case None:
            return bool(here == there)
        case Same(kind):
            return ids.match(kind, here, there)
        case Noise.MOMENT:
            return bool(MOMENT.fullmatch(str(here)) and MOMENT.fullmatch(str(there)))
        case Noise.WHENEVER:
            return bool(here) == bool(there) and bool(MOMENT.fullmatch(here)) == bool(MOMENT.fullmatch(there))
    return bool(here) == bool(there)


def _ranks(values: list[str]) -> list[int]:
    order = {value: number for number, value in enumerate(sorted(set(values)))}
    return [order[value] for value in values]
