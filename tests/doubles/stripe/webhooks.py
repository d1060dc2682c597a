"""Sends events to the configured endpoint until it says 2xx. What is sent when is decided in `schedule`."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx

from tests.doubles.stripe.events import signature
from tests.doubles.stripe.schedule import Delivery, Disorder, Endpoint, Schedule

_LANES = 8
_PATIENCE = 10.0


class Webhooks:
    """A few sender threads over one schedule. Without an endpoint nothing is sent, nor kept for later."""

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._first_endpoint = endpoint
        self._changed = threading.Condition()
        self._start_over()
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(timeout=_PATIENCE, limits=limits, trust_env=False, verify=False)
        for lane in range(_LANES):
            threading.Thread(target=self._send_for_ever, args=[lane], name=f"webhooks-{lane}", daemon=True).start()

    def _start_over(self) -> None:
        self._endpoint = self._first_endpoint
        self._disorder = Disorder()
        self._schedule = Schedule(_LANES)

    def reset(self) -> None:
        """As after a start; an attempt that is under way ends unseen."""
        with self._changed:
            self._start_over()
            self._changed.notify_all()

    def send_to(self, endpoint: Endpoint) -> None:
        with self._changed:
            self._endpoint = endpoint

    def disturb(self, disorder: Disorder) -> None:
        with self._changed:
            self._disorder = disorder

    def release(self) -> None:
        """Whatever waits is sent now."""
        with self._changed:
            self._schedule.release(time.monotonic())
            self._changed.notify_all()

    def accept(self, payload: str, disorder: Disorder | None = None) -> None:
        """Plan the event; all of one payment's keep their order unless they are disturbed."""
        event = json.loads(payload)
        one = event["data"]["object"]
        about = one["id"] if one["object"] == "payment_intent" else one["payment_intent"]
        with self._changed:
            if self._endpoint is None:
                return
            how = disorder or self._disorder
            self._schedule.add(event["id"], event["type"], payload, about, how, time.monotonic())
            self._changed.notify_all()

    def deliveries(self) -> list[Delivery]:
        with self._changed:
            return list(self._schedule.all)

    def _send_for_ever(self, lane: int) -> None:
        while True:
            schedule, endpoint, delivery = self._next(lane)
            attempt = self._attempt(delivery, endpoint)
            with self._changed:
                delivery.attempts.append(attempt)
                delivery.delivered = 200 <= (attempt["status"] or 0) < 300
                if not delivery.delivered:
                    # After a reset this is nobody's schedule any more.
                    schedule.put_back(delivery, time.monotonic() + endpoint.pause_after(len(delivery.attempts)))

    def _next(self, lane: int) -> tuple[Schedule, Endpoint, Delivery]:
        """Wait until this lane has something due."""
        with self._changed:
            while True:
                delivery, seconds = self._schedule.take_due(lane, time.monotonic())
                if delivery and self._endpoint:
                    return self._schedule, self._endpoint, delivery
                self._changed.wait(seconds)

    def _attempt(self, delivery: Delivery, endpoint: Endpoint) -> dict[str, Any]:
        """One POST; every outcome but 2xx, redirects included, is a failure that is tried again."""
        at = time.time()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(delivery.payload, endpoint.secret, int(at)),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        status, error = None, ""
        try:
            status = self._client.post(endpoint.url, content=delivery.payload, headers=headers).status_code
        except httpx.HTTPError as failure:
            error = f"{type(failure).__name__}: {failure}"
        return {"at": at, "status": status, "error": error}
