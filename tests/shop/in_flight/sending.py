"""Mails on their way to people, one person for each story, and one side's sender that does not get on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Any

from migration_plan.lifecycle import Side
from tests.doubles.control import MailControl
from tests.doubles.faults import Kind
from tests.shop.in_flight.people import Person, Rows, new_address
from tests.support.stack import Stack
from tests.support.waiting import wait_until

SENDERS = {Side.MONOLITH: "monolith-sending", Side.SERVICE: "notifications-1"}
# Less than a sender waits for the answer to a mail.
SLOW_SECONDS = 3.0


@dataclass(frozen=True)
class Queue:
    """One side's messages, as its sender finds them."""

    rows: Rows
    table: str
    user: str
    state: str
    due: str

    @classmethod
    def of(cls, stack: Stack, side: Side) -> Queue:
        rows = Rows.of(stack, "notifications", side)
        if side is Side.MONOLITH:
            return cls(rows, "notification_messages", "user_id", "state", "next_attempt_at")
        return cls(rows, "message", "receiver_id", "status", "due_at")

    def is_claimed(self, person: Person) -> bool:
        return self._has(person, f"{self.state} = 'sending'")

    def waits_again(self, person: Person) -> bool:
        """After an attempt that failed for sure."""
        return self._has(person, f"attempts = 1 and {self.due} is not null")

    def _has(self, person: Person, condition: str) -> bool:
        return bool(self.rows.query(f"select 1 from {self.table} where {self.user} = %s and {condition}", person.id))

    def make_due(self, person: Person, interval: str = "0") -> None:
        """Now, or after `interval`."""
        due = f"{self.due} = now() + cast(%s as interval)"
        self.rows.query(f"update {self.table} set {due} where {self.user} = %s", interval, person.id)

    def let_claims_grow_old(self) -> None:
        """As if nobody had heard of them for longer than any call takes."""
        older = "claimed_at = claimed_at - interval '3 minutes'"
        self.rows.query(f"update {self.table} set {older} where {self.state} = 'sending'")


@dataclass
class Sending:
    """Who waits for a mail, by their stories, while `giver` owns the messages."""

    stack: Stack
    mail: MailControl
    giver: Side
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def queue(self) -> Queue:
        return Queue.of(self.stack, self.giver)

    def person(self, story: str, kind: Kind | None = None) -> Person:
        """Signs up, and so gets a mail, with which this goes wrong."""
        email = new_address()
        if kind is not None:
            self.fail(email, kind)
        self.people[story] = person = Person.signed_up(self.stack, email=email)
        return person

    def fail(self, email: str, kind: Kind) -> None:
        self.mail.fail(kind, where={"to": email}, seconds=SLOW_SECONDS)

    def handed_over(self, person: Person) -> list[dict[str, Any]]:
        """What the mail server got for somebody, and how that has ended so far."""
        return [one for one in self.mail.received("MAIL") if one["parameters"]["to"] == person.email]

    def state(self, story: str) -> str:
        """As the person sees it."""
        told = self.people[story].told()
        return told[0][1] if told else ""

    def wait_for(self, story: str, state: str) -> None:
        wait_until(lambda: self.state(story) == state, 60, f'the mail of "{story}" is {state}', every=0.1)

    def refused_at_first(self, story: str) -> None:
        """It surely never left; it is left to wait."""
        person, queue = self.person(story, Kind.ERROR), self.queue
        wait_until(lambda: queue.waits_again(person), 60, "the mail was refused for now", every=0.05)
        queue.make_due(person, "1 hour")

    def answer_lost(self, story: str) -> None:
        self.person(story, Kind.LOST)
        self.wait_for(story, "in_doubt")

    def killed_after_handing_over(self, story: str) -> None:
        """The mail server has it and takes its time to say so; the sender does not live to hear it."""
        name = SENDERS[self.giver]
        pid, person = self.stack.pid(name), self.person(story, Kind.SLOW)
        wait_until(lambda: self.handed_over(person), 60, "the mail is handed over", every=0.02)
        os.killpg(pid, signal.SIGKILL)
        self.stack.wait_until_back(name, pid)

    def killed_before_handing_over(self, story: str) -> None:
        """The mail server is frozen: it takes a connection and says nothing."""
        name = SENDERS[self.giver]
        pid, queue = self.stack.pid(name), self.queue
        frozen = self.stack.stop("mail")
        try:
            person = self.person(story)
            wait_until(lambda: queue.is_claimed(person), 60, "the message is claimed", every=0.02)
            os.killpg(pid, signal.SIGKILL)
        finally:
            os.killpg(frozen, signal.SIGCONT)
        self.stack.wait_until_back(name, pid)
        self.stack.wait_until_healthy("mail")
