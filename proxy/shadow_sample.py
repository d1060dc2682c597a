"""One request as nginx shows it to the comparer, and what it is made of when it is asked again. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LARGEST = 65_536
"""Bytes of one datagram; nginx takes no longer head from a client."""
_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
_URI = re.compile(r"/[\x21-\x7e]*")
# What one path segment of a pattern stands for when it is written as {name}.
_PLACE = re.compile(r"\\{[a-z_]+\\}")


@dataclass(frozen=True)
class Sample:
    """A read that a client has had its answer to. It holds secrets: it is never logged or stored."""

    id: str
    domain: str
    at: float  # Seconds since 1970, by nginx's clock, when the answer was sent.
    uri: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]


def parse(datagram: bytes) -> Sample | None:
    """What nginx wrote (syslog's head, then JSON); None for anything that is not wholly as expected."""
    try:
        found = json.loads(datagram[datagram.index(b"{") :])
        if found["method"] != "GET" or not _ID.fullmatch(found["id"]) or not _URI.fullmatch(found["uri"]):
            return None
        return Sample(found["id"], str(found["domain"]), float(found["time"]), found["uri"], _headers(found))
    except (ValueError, KeyError, TypeError):
        return None


def _headers(found: Mapping[str, str]) -> dict[str, str]:
    """As the proxy itself would have passed them to a side; of what the client sent, only what an answer depends on."""
    headers = {
        "Host": found["host"],
        "X-Request-Id": found["id"],
        "X-Identity": found["identity"],
        "X-Real-IP": found["peer"],
        "X-Forwarded-For": found["peer"],
        "X-Forwarded-Proto": found["scheme"],
        "X-Forwarded-Host": found["host"],
        "Cookie": found["cookie"],
        "Authorization": found["authorization"],
        "Accept": found["accept"],
        "Accept-Language": found["language"],
    }
    if any(ord(sign) < 32 for value in headers.values() for sign in value):
        raise ValueError("a control character in a header")
    return {name: value for name, value in headers.items() if value}


class Patterns:
    """The routes that a plan declares pure: `/api/catalog/products/{id}`, where {…} is one path segment."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._known = [(re.compile(_PLACE.sub("[^/]+", re.escape(one))), one) for one in sorted(patterns, key=_rank)]

    def match(self, path: str) -> str | None:
        """The pattern of this path: the one with the fewest places that fits; None: nobody declared it pure."""
        return next((name for pattern, name in self._known if pattern.fullmatch(path)), None)


def _rank(pattern: str) -> tuple[int, str]:
    return pattern.count("{"), pattern
