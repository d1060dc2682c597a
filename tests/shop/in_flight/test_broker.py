"""RabbitMQ is killed, frozen and restarted while people sign up and buy: nobody waits for it, and each is told once.

Users and payments are the monolith's, notifications is the service's: all that is told goes through an outbox, the
broker and an inbox, on a message that nothing can be done with besides (I2, I3).
"""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import pytest

from cdc.outbox.broker import Message, Publishing, connected
from migration_plan.lifecycle import Side
from tests.doubles.control import MailControl
from tests.load.moving import Moving
from tests.shop.in_flight.people import Person, Rows
from tests.support.clients import Attempt
from tests.support.stack import Stack
from tests.support.waiting import wait_until

# Two minutes of starts of the broker and of waiting; CI has the same on one queue, in tests/integration/events.
pytestmark = pytest.mark.full

FROZEN_SECONDS = 10.0
# Erlang takes its time where others want the processors, too.
BOOT_SECONDS = 120
# Between two purchases of one customer: more mails than one sender sends meanwhile would only be waited for.
PAUSE_SECONDS = 1.0
# Who waits for a frozen broker waits for 3 s until it takes a connection, and for 5 s for each answer.
LONGEST_SECONDS = 3.0


@dataclass
class Customers:
    """They come one after the other, sign up and buy something; every attempt of theirs is kept."""

    stack: Stack
    product: int
    attempts: list[Attempt] = field(default_factory=list)
    orders: dict[str, list[int]] = field(default_factory=dict)
    """By the address of whoever has to hear of them."""
    trouble: list[BaseException] = field(default_factory=list)

    def buy(self, stop: Event) -> None:
        try:
            while not stop.is_set():
                person = Person.signed_up(self.stack, record=self.attempts.append)
                self.orders[person.email] = []
                person.put_in_cart(self.product)
                answer = person.check_out(str(uuid.uuid4()))
                assert answer.status == 201, str(answer)
                self.orders[person.email].append(answer.json()["id"])
                stop.wait(PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001  Told to the test, which fails.
            self.trouble.append(error)

    @contextmanager
    def coming(self) -> Iterator[None]:
        stop = Event()
        threads = [Thread(target=self.buy, args=[stop]) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def wait_for_orders(self, number: int) -> None:
        """So many more, whatever the broker does."""
        wanted = len(self.orders) + number
        wait_until(lambda: self.trouble or len(self.orders) >= wanted, 60, f"{number} more orders", every=0.05)

    def told(self) -> dict[str, Counter[str]]:
        """All that everybody has to hear."""
        return {
            address: Counter(["Welcome to the shop", *(f"Your order {order}" for order in orders)])
            for address, orders in self.orders.items()
        }


@dataclass
class Curse:
    """An event that the inbox cannot take, because a message that it would make is there already."""

    rows: Rows
    victim: Person
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def event(self) -> dict[str, Any]:
        data = {"user_id": self.victim.id, "order_id": 424242, "amount": 1200}
        occurred = datetime.now(UTC).isoformat()
        return {"id": str(self.id), "type": "order.paid", "occurred_at": occurred, "data": data}

    def begin(self) -> None:
        message = uuid.uuid5(self.id, f"email:{self.victim.id}")
        self.rows.query(
            "insert into message (id, receiver_id, event_id, kind, channel, title, body, status)"
            " values (%s, %s, %s, 'order.paid', 'email', 'In the way', '', 'suppressed')",
            message, self.victim.id, self.id,
        )  # fmt: skip

    def end(self) -> None:
        self.rows.query("delete from message where event_id = %s", self.id)


@dataclass
class Trouble:
    """What was done to the broker is over; what came of it."""

    stack: Stack
    customers: Customers
    curse: Curse
    strange: str

    def fig(self, *arguments: str) -> dict[str, Any]:
        done = self.stack.fig("dead-letters", *arguments, "--json")
        assert done.returncode == 0, f"fig dead-letters: {done.stdout}{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def dead(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in self.fig("list", "notifications")["dead_letters"]}


@pytest.fixture(scope="module")
def moving(stack: Stack) -> Moving:
    moving = Moving(stack, "notifications")
    moving.begin_sync()
    moving.give_to(Side.SERVICE)
    return moving


@pytest.fixture(scope="module", params=["killed and frozen", "restarted, too"])
def trouble(request: pytest.FixtureRequest, stack: Stack, moving: Moving) -> Trouble:
    seller = Person.signed_up(stack, "seller")
    customers = Customers(stack, seller.offer("5.00", 1000))
    curse = Curse(Rows.of(stack, "notifications", Side.SERVICE), Person.signed_up(stack))
    curse.begin()
    strange = str(uuid.uuid4())
    with customers.coming():
        customers.wait_for_orders(5)
        publish(stack, Message(str(curse.id), "order.paid", json.dumps(curse.event).encode()))
        publish(stack, Message(strange, "order.paid", b"{"))
        killed_and_back(stack, customers)
        frozen_and_thawed(stack, customers)
        if request.param == "restarted, too":
            restarted(stack, customers)
        customers.wait_for_orders(5)
    return Trouble(stack, customers, curse, strange)


def publish(stack: Stack, message: Message) -> None:
    with connected(stack.env["AMQP_URL"]) as connection:
        Publishing(connection, "payments.events").publish([message])


def killed_and_back(stack: Stack, customers: Customers) -> None:
    former = stack.kill("rabbitmq")
    customers.wait_for_orders(3)
    stack.wait_until_back("rabbitmq", former, BOOT_SECONDS)
    customers.wait_for_orders(3)


def frozen_and_thawed(stack: Stack, customers: Customers) -> None:
    stack.stop("rabbitmq")
    try:
        thaw = time.monotonic() + FROZEN_SECONDS
        wait_until(lambda: customers.trouble or time.monotonic() > thaw, 60, "it was frozen for a while", every=0.1)
        customers.wait_for_orders(1)
    finally:
        stack.cont("rabbitmq")


def restarted(stack: Stack, customers: Customers) -> None:
    stack.wait_until_healthy("rabbitmq")
    former = stack.kill("rabbitmq", signal.SIGTERM)
    customers.wait_for_orders(3)
    stack.wait_until_back("rabbitmq", former, BOOT_SECONDS)


def test_no_request_fails(trouble: Trouble) -> None:
    attempts = trouble.customers.attempts
    assert [str(error) for error in trouble.customers.trouble] == []
    assert {attempt.status for attempt in attempts} == {200, 201}


def test_no_request_waits_for_the_broker(trouble: Trouble) -> None:
    slowest = max(trouble.customers.attempts, key=lambda attempt: attempt.seconds)
    assert slowest.seconds < LONGEST_SECONDS, f"{slowest.method} {slowest.path}"


def test_everybody_is_told_once(trouble: Trouble, mail: MailControl) -> None:
    wanted = trouble.customers.told()
    got: dict[str, Counter[str]] = {}

    def all_told() -> bool:
        got.clear()
        for one in mail.mails():
            for address in one["to"]:
                got.setdefault(address, Counter())[one["subject"]] += 1
        return all(not told - got.get(address, Counter()) for address, told in wanted.items())

    wait_until(all_told, 90, "nothing of what was told is lost", every=0.5)
    assert {address: told for address, told in got.items() if address in wanted} == wanted


def test_what_cannot_be_taken_is_listed_and_takes_effect_once_it_is_mended(trouble: Trouble, mail: MailControl) -> None:
    cursed, victim = str(trouble.curse.id), trouble.curse.victim
    wait_until(lambda: {cursed, trouble.strange} <= set(trouble.dead()), 60, "both are dead", every=0.5)
    dead = trouble.dead()
    assert (dead[cursed]["type"], dead[cursed]["attempts"], dead[cursed]["reason"]) == (
        "order.paid",
        5,
        "IntegrityError",
    )
    assert (dead[trouble.strange]["attempts"], dead[trouble.strange]["reason"]) == (1, "it is not JSON")
    [shown] = trouble.fig("show", "notifications", "--id", cursed)["dead_letters"]
    assert shown["event"]["data"] == trouble.curse.event["data"]
    trouble.curse.end()
    assert trouble.fig("replay", "notifications", "--id", cursed)["replayed"] == [cursed]
    told = Counter(["Welcome to the shop", "Order 424242 is paid"])
    wait_until(lambda: len(mail.mails(victim.email)) >= 2, 30, "the replayed event is told", every=0.1)
    assert Counter(one["subject"] for one in mail.mails(victim.email)) == told
    assert cursed not in trouble.dead()


def test_both_sides_hold_the_same(trouble: Trouble, moving: Moving) -> None:
    assert moving.differences() == 0
