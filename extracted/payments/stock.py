"""The catalog as payments needs it: products, and stock that is held; HTTP through the internal listener.

All calls may be repeated under the same key. A refusal is known; CatalogInDoubt means that nothing is known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests
from requests.adapters import HTTPAdapter

from extracted.payments.errors import (
    CatalogInDoubt,
    NotAvailable,
    OutOfStock,
    RequestKeyReused,
    ReservationReleased,
)
from extracted.platform import spans
from extracted.platform.onward import onward_headers
from extracted.platform.problems import Refusal
from extracted.platform.settings import setting
from extracted.platform.validation import cents_of

log = logging.getLogger(__name__)

REFUSALS: Mapping[str, type[Refusal]] = {
    f"/problems/{refusal.code}": refusal
    for refusal in (OutOfStock, NotAvailable, RequestKeyReused, ReservationReleased)
}
# Longer than a domain is held.
CONNECT_SECONDS, READ_SECONDS = 1.0, 6.0
# How long a call whose outcome is not known is repeated while somebody waits.
PATIENCE_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.05
CONNECTIONS = 16
LARGEST_LOOK_UP = 200


@dataclass(frozen=True, slots=True)
class Product:
    seller_id: int
    title: str
    price: int
    stock: int
    is_for_sale: bool


@dataclass(frozen=True, slots=True)
class ReservedLine:
    product_id: int
    quantity: int
    unit_price: int
    title: str


@dataclass(frozen=True, slots=True)
class Reservation:
    lines: tuple[ReservedLine, ...]

    @property
    def total(self) -> int:
        return sum(line.unit_price * line.quantity for line in self.lines)


class Catalog:
    """One for each process; its connections are kept and shared."""

    def __init__(self, internal_url: str, patience: float = PATIENCE_SECONDS) -> None:
        self._url = internal_url.rstrip("/")
        self._patience = patience
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS))

    @classmethod
    def from_environment(cls) -> Catalog:
        return cls(setting("FIG_INTERNAL_URL"))

    def impatient(self) -> Catalog:
        """For background work: a single try for each call, what is in doubt comes up again."""
        other = Catalog(self._url, 0.0)
        other._session = self._session
        return other

    def look_up(self, ids: Iterable[int]) -> dict[int, Product]:
        """Those of these products that exist."""
        wanted = sorted(set(ids))
        found: dict[int, Product] = {}
        for first in range(0, len(wanted), LARGEST_LOOK_UP):
            some = ",".join(str(one) for one in wanted[first : first + LARGEST_LOOK_UP])
            found |= _products(self._call("GET", f"products?ids={some}"))
        return found

    def reserve(self, key: UUID, quantities: Mapping[int, int]) -> Reservation:
        lines = [{"product_id": product_id, "quantity": quantities[product_id]} for product_id in quantities]
        return _reservation(self._call("PUT", f"reservations/{key}", {"lines": lines}))

    def confirm(self, key: UUID) -> None:
        self._call("POST", f"reservations/{key}/confirm")

    def release(self, key: UUID) -> None:
        self._call("POST", f"reservations/{key}/release")

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Repeat the same call, with the same key, until its outcome is known or patience ends."""
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._ask(method, path, body)
            except requests.RequestException as error:
                reason = type(error).__name__
            else:
                if answer.ok:
                    document: dict[str, Any] = answer.json()
                    return document
                if refusal := _refusal(answer):
                    raise refusal
                reason = f"status {answer.status_code}"
            log.warning("the catalog's answer is in doubt", extra={"call": method, "reason": reason})
            if time.monotonic() + pause > deadline:
                raise CatalogInDoubt(f"The catalog did not answer in time ({reason}).")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        facts = {"http.request.method": method, "peer.service": "catalog"}
        with spans.step(f"{method} catalog", "CLIENT", facts) as step:
            answer = self._session.request(
                method, f"{self._url}/internal/catalog/{path}", json=body, headers=onward_headers(),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )  # fmt: skip
            step.answered(answer.status_code)
        return answer


def _refusal(answer: requests.Response) -> Refusal | None:
    """The refusal that the owner of the catalog decided on; None if the answer decides nothing."""
    if answer.headers.get("Content-Type", "").partition(";")[0] != "application/problem+json":
        return None
    document = answer.json()
    kind = REFUSALS.get(document.get("type", ""))
    if kind is None:
        return None
    ordinary = ("type", "title", "status", "detail", "next_step", "instance")
    return kind(document["detail"], **{name: value for name, value in document.items() if name not in ordinary})


def _products(document: Mapping[str, Any]) -> dict[int, Product]:
    return {
        one["id"]: Product(
            one["seller_id"], one["title"], cents_of(one["price"]), one["stock"], one["status"] == "active"
        )
        for one in document["items"]
    }


def _reservation(document: Mapping[str, Any]) -> Reservation:
    return Reservation(
        tuple(
            ReservedLine(line["product_id"], line["quantity"], cents_of(line["unit_price"]), line["title"])
            for line in document["lines"]
        )
    )
