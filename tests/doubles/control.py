"""Clients of the control API, for tests: tell a double to fail, and ask what it has seen and done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.doubles.faults import Fault, Kind


class Control:
    """What every double understands. A refusal raises httpx.HTTPStatusError."""

    def __init__(self, url: str) -> None:
        # No kept connections: the double may be killed and started again between two calls.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, limits=limits, timeout=10, trust_env=False, verify=False)
        self.url = url

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    def is_alive(self) -> bool:
        try:
            return self._client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    def fail(
        self,
        kind: Kind,
        times: int = 1,
        *,
        skip: int = 0,
        method: str = "",
        path: str = "",
        where: Mapping[str, str] | None = None,
        seconds: float = 1.0,
        status: int | None = None,
    ) -> None:
        """The next `times` requests that match fail, after `skip` of them; see `Fault`."""
        fault = Fault(
            kind=kind, times=times, skip=skip, method=method, path=path, where=dict(where or {}),
            seconds=seconds, status=status,
        )  # fmt: skip
        self._ask("POST", "/_control/faults", fault.model_dump(mode="json"))

    def heal(self) -> None:
        """No more faults."""
        self._ask("DELETE", "/_control/faults")

    def faults(self) -> list[dict[str, Any]]:
        return self._ask("GET", "/_control/faults")

    def received(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """The requests so far, oldest first, those that were made to fail included."""
        entries = self._ask("GET", "/_control/received")
        return [e for e in entries if method in ("", e["method"]) and path in ("", e["path"])]

    def kept(self, part: str) -> list[Any]:
        """All that the double keeps of one kind, oldest first."""
        return self._ask("GET", f"/_control/state/{part}")

    def reset(self) -> None:
        """As after a start."""
        self._ask("POST", "/_control/reset")

    def page(self) -> str:
        return self._client.get("/").raise_for_status().text


class StripeControl(Control):
    """Payments as they really are, and what becomes of webhooks."""

    def intents(self) -> list[dict[str, Any]]:
        """PaymentIntents, with their latest charge inside."""
        return self.kept("intents")

    def charges(self) -> list[dict[str, Any]]:
        """Every attempt to take money, paid or declined."""
        return self.kept("charges")

    def refunds(self) -> list[dict[str, Any]]:
        return self.kept("refunds")

    def events(self) -> list[dict[str, Any]]:
        return self.kept("events")

    def keys_in_use(self) -> list[str]:
        """Idempotency keys whose first request is still being worked on."""
        return self.kept("keys_in_use")

    def authenticate(self, intent: str, passed: bool = True) -> dict[str, Any]:
        """The card's owner answers the 3-D Secure question."""
        return self._ask("POST", f"/_control/intents/{intent}/authenticate", {"passed": passed})

    def send_webhooks(self, url: str, secret: str, first_pause: float = 0.5, longest_pause: float = 30.0) -> None:
        """From now on events are sent to `url`; `first_pause` doubles up to `longest_pause` between attempts."""
        body = {"url": url, "secret": secret, "first_pause": first_pause, "longest_pause": longest_pause}
        self._ask("PUT", "/_control/webhooks/endpoint", body)

    def disturb_webhooks(self, copies: int = 1, delay: float = 0.0, reorder: int = 1, patience: float = 2.0) -> None:
        """Until told otherwise: each event `copies` times, `delay` seconds late, every `reorder` in reverse order."""
        body = {"copies": copies, "delay": delay, "reorder": reorder, "patience": patience}
        self._ask("PUT", "/_control/webhooks/disorder", body)

    def release_webhooks(self) -> None:
        """Whatever waits for its time (delayed, or failed before) is sent now."""
        self._ask("POST", "/_control/webhooks/release")

    def resend(self, event: str) -> None:
        """The event once more, as Stripe may do days later."""
        self._ask("POST", f"/_control/webhooks/resend/{event}")

    def deliveries(self) -> list[dict[str, Any]]:
        """What was or is to be sent, with every attempt so far."""
        return self.kept("deliveries")


class TwilioControl(Control):
    """Messages that were taken on."""

    def messages(self, to: str = "") -> list[dict[str, Any]]:
        return [m for m in self.kept("messages") if to in ("", m["to"])]


class MailControl(Control):
    """Mails that were taken on."""

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        return [m for m in self.kept("mails") if not to or to in m["to"]]
