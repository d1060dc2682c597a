"""The remote way of the seam: HTTP through the internal listener, with deadlines and one key."""

from __future__ import annotations

import logging
import threading
import time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import httpx
from flask import has_request_context, request

from legacy_monolith import spans, trace
from legacy_monolith.catalog.stock import Quantities, Reservation, ReservedLine
from legacy_monolith.database import db
from legacy_monolith.errors import (
    NotAvailable,
    OutOfStock,
    Problem,
    RequestKeyReused,
    ReservationReleased,
    TemporarilyUnavailable,
)
from legacy_monolith.logs import request_id

log = logging.getLogger(__name__)

REFUSALS: dict[str, type[Problem]] = {
    f"/problems/{problem.code}": problem
    for problem in (OutOfStock, NotAvailable, RequestKeyReused, ReservationReleased)
}

# Longer than a domain is held, shorter than the patience of clients.
CALL = httpx.Timeout(connect=1.0, read=7.0, write=2.0, pool=1.0)
FIRST_PAUSE_SECONDS = 0.05


class StockInDoubt(TemporarilyUnavailable):
    """Whether it happened is not known. Only the same call under the same key may follow, or a release."""

    next_step = "Repeat the request with the same Idempotency-Key."


class RemoteStock:
    """One for each process; its connections are kept and shared by the threads."""

    def __init__(self, internal_url: str, patience: float) -> None:
        self._internal_url = internal_url
        self._patience = patience
        self._pause = threading.Event()
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=30)
        self._client = httpx.Client(base_url=internal_url, timeout=CALL, limits=limits, trust_env=False)

    def reserve(self, key: UUID, quantities: Quantities) -> Reservation:
        lines = [{"product_id": product_id, "quantity": quantities[product_id]} for product_id in quantities]
        return _reservation(self._call("PUT", f"{key}", {"lines": lines}))

    def confirm(self, key: UUID) -> None:
        self._call("POST", f"{key}/confirm")

    def release(self, key: UUID) -> None:
        self._call("POST", f"{key}/release")

    def knows(self, product_id: int) -> bool:
        """Whether the owner has this product, as far as can be told: in doubt it may."""
        if not self._internal_url:
            return True
        try:
            answer = self._ask("GET", f"/api/catalog/products/{product_id}")
        except httpx.TransportError as error:
            log.warning("the catalog's answer is in doubt", extra={"call": "GET", "reason": type(error).__name__})
            return True
        return answer.status_code != 404

    def settle(self) -> None:
        db.session.commit()

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Repeat the same call, with the same key, until its outcome is known or patience ends."""
        if not self._internal_url:
            raise StockInDoubt("The catalog is owned elsewhere and FIG_INTERNAL_URL is not set.")
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._ask(method, f"/internal/catalog/reservations/{path}", body)
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    return cast(dict[str, Any], answer.json())
                if refusal := _refusal(answer):
                    raise refusal
                reason = f"status {answer.status_code}"
            log.warning("the catalog's answer is in doubt", extra={"call": method, "reason": reason})
            if time.monotonic() + pause > deadline:
                raise StockInDoubt(f"The catalog did not answer in time ({reason}).")
            self._pause.wait(pause)
            pause = min(pause * 2, 1.0)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        facts = {"http.request.method": method, "peer.service": "catalog"}
        with spans.step(f"{method} catalog", "CLIENT", facts) as step:
            answer = self._client.request(method, path, json=body, headers=_headers())
            step.answered(answer.status_code)
        return answer


def _headers() -> dict[str, str]:
    headers = {"X-Request-Id": request_id() or "jobs"}
    if traceparent := trace.onward():
        headers[trace.HEADER] = traceparent
    # A request that was let in during a hold may finish what it began.
    if has_request_context() and (admitted := request.headers.get("X-Fig-Admitted")):
        headers["X-Fig-Admitted"] = admitted
    return headers


def _refusal(answer: httpx.Response) -> Problem | None:
    """The refusal that the owner of the catalog decided on; None if the answer decides nothing."""
    if answer.headers.get("Content-Type", "").partition(";")[0] != "application/problem+json":
        return None
    document = answer.json()
    kind = REFUSALS.get(document.get("type", ""))
    if kind is None:
        return None
    ordinary = ("type", "title", "status", "detail", "next_step", "instance")
    facts = {name: value for name, value in document.items() if name not in ordinary}
    return kind(document["detail"], **facts)


def _reservation(document: dict[str, Any]) -> Reservation:
    lines = (
        ReservedLine(line["product_id"], line["quantity"], Decimal(line["unit_price"]), line["title"])
        for line in document["lines"]
    )
    return Reservation(UUID(document["key"]), document["state"], tuple(lines))
