"""What happens around notifications: other domains tell, mail servers and carriers fail, time passes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.contract.differential.outside import happened
from tests.contract.notifications.sides import ORDER, Person, Side
from tests.doubles.control import MailControl, TwilioControl
from tests.doubles.faults import Kind
from tests.support.clients import Answer, Client

ALWAYS = 1000
TROUBLES: Mapping[str, dict[str, Any]] = {
    "refused for now": {"kind": Kind.RATE_LIMITED},
    "refused for good": {"kind": Kind.ERROR, "status": 550},
    "broken": {"kind": Kind.ERROR},
    "no answer": {"kind": Kind.LOST},
    "lost on the way": {"kind": Kind.DROP},
}
"""What becomes of everything that is sent meanwhile."""


@dataclass(frozen=True)
class Around:
    """One side, and the senders by which what it sends is known from what the other one does."""

    side: Side
    mail: MailControl
    carrier: TwilioControl
    address: str
    number: str
    ids: Mapping[str, int]

    @property
    def acts(self) -> Mapping[str, Callable[..., Answer]]:
        return {"happen": self.happen, "pass time": self.pass_time}

    def happen(self, events: list[dict[str, Any]], trouble: str = "") -> Answer:
        """Other domains tell, and what follows is sent."""
        with self._in_trouble(trouble):
            for event in events:
                # Each one is taken before the next one comes.
                self.side.tell(self._event(**event))
            self._wait_for_all()
            self.side.work()
        return happened()

    def pass_time(self, trouble: str = "") -> Answer:
        """What failed is due again."""
        with self._in_trouble(trouble):
            for user_id in self.ids.values():
                self.side.pass_time(Person(Client(""), user_id))
            self.side.work()
        return happened()

    def _wait_for_all(self) -> None:
        """One that was told before is known to be heard long before it comes again: another one behind it tells."""
        last = {**self._event(0, "order.of_no_meaning", next(iter(self.ids))), "id": str(uuid.uuid4())}
        self.side.tell(last)
        self.side.query(f"delete from {self.side.names.inbox} where message_id = %s", last["id"])

    def _event(self, number: int, kind: str, to: str, **facts: Any) -> dict[str, Any]:
        data = {"user_id": self.ids[to], **ORDER, "old_email": "old@example.org", **facts}
        event_id = f"{number:08x}-0000-4000-9000-000000000000"
        return {"id": event_id, "type": kind, "occurred_at": f"2026-01-01T12:00:{number:02}+00:00", "data": data}

    @contextmanager
    def _in_trouble(self, trouble: str) -> Iterator[None]:
        if not trouble:
            yield
            return
        self.mail.fail(times=ALWAYS, where={"from": self.address}, **TROUBLES[trouble])
        self.carrier.fail(times=ALWAYS, method="POST", where={"From": self.number}, **TROUBLES[trouble])
        try:
            yield
        finally:
            self.mail.heal()
            self.carrier.heal()

    def messages(self) -> list[str]:
        """Their ids."""
        return [str(one) for (one,) in self.side.query(f"select id from {self.side.names.messages} order by id")]

    def effects(self) -> list[str]:
        """Whatever was sent, without who sent it. In no order: what is due at once goes in any."""
        mails = [_written(one) for one in self.mail.mails() if one["sender"] == self.address]
        texts = [f"text to {one['to']}: {one['body']}" for one in self.carrier.messages() if one["from"] == self.number]
        return sorted([*mails, *texts])


def _written(mail: dict[str, Any]) -> str:
    headers = {name: value for name, value in mail["headers"].items() if name != "From"}
    return f"mail to {', '.join(mail['to'])}: {headers} {mail['text']}"
