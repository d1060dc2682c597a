"""A story is told once while the monolith owns everything, and again at other combinations of owners: the same answers.

The steps are generated from all four OpenAPI documents. Each telling has people, addresses, numbers and keys of its
own, which stand for each other by their places; only the seller's own products are listed, as others differ.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

import legacy_monolith.openapi
from tests.contract.differential.answers import Counterparts, differences
from tests.contract.differential.document import operations
from tests.contract.differential.domain import Domain, Noise, Ref, Rule, Same, Step
from tests.contract.differential.domains.catalog import CATALOG
from tests.contract.differential.domains.notifications import NOTIFICATIONS
from tests.contract.differential.domains.payments import PAYMENTS
from tests.contract.differential.domains.users import USERS
from tests.contract.differential.explore import Differs
from tests.contract.differential.side import Asked
from tests.contract.differential.steps import step
from tests.doubles.control import TwilioControl
from tests.support.clients import Answer, Client

ACTORS = ("sue", "sue", "bob", "bob", "visitor")
PASSWORD = "correct horse"
PATIENCE = 15.0
"""Seconds within which what one domain tells another one has arrived."""
UNREAD = "/api/notifications/unread"


def _ref(kind: str, most: int) -> st.SearchStrategy[object]:
    return st.builds(Ref, st.just(kind), st.integers(0, most))


_keys = st.one_of(_ref("key", 2), st.just("not-a-key"))
_DOCUMENTS = Path(legacy_monolith.openapi.__file__).parent
_HINTS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "catalog": {"request_key": _ref("key", 2), "id": st.one_of(_ref("product", 2), st.just(10**12))},
    "users": {
        "email": st.one_of(_ref("email", 2), st.just("no-address")),
        "phone": st.one_of(_ref("phone", 1), st.just("0151")),
        "password": st.sampled_from([PASSWORD, "another one"]),
        "current_password": st.sampled_from([PASSWORD, "another one"]),
        "new_password": st.sampled_from([PASSWORD, "short"]),
    },
    "payments": {
        "product_id": st.one_of(_ref("product", 2), st.just(10**12)),
        "id": st.one_of(_ref("order", 1), st.just(10**12)),
        "Idempotency-Key": _keys,
    },
    "notifications": {"id": st.just("00000001-0000-4000-8000-000000000000")},
}
_SKIP = {
    # Of one's own only, see below.
    "catalog": {"listProducts"},
    "users": {"getCsrfToken"},
    # Signed by nobody here; and the doubles' addresses.
    "payments": {"hearStripe", "getPaymentConfig"},
    "notifications": set[str](),
}
_FIELDS: dict[str, dict[str, Rule]] = {
    "catalog": {"seller_id": Same("user")},
    "users": {"email": Same("email"), "phone": Same("phone")},
    "payments": {"id": Same("order"), "order_id": Same("order"), "product_id": Same("product"), "key": Same("key"),
                 "next_cursor": Noise.CURSOR},
    # Sent by and by, wherever it is sent from; when, is left out below.
    "notifications": {"id": Same("message"), "state": Noise.TOKEN},
}  # fmt: skip
DOMAINS: dict[str, Domain] = {
    domain.name: replace(
        domain,
        actors=ACTORS,
        hints={**domain.hints, **_HINTS[domain.name]},
        fields={**domain.fields, **_FIELDS[domain.name]},
        location={"catalog": "product", "payments": "order"}.get(domain.name, ""),
        outside=(),
    )
    for domain in (CATALOG, USERS, PAYMENTS, NOTIFICATIONS)
}
LEARNED = replace(CATALOG, learned={
    "createProduct": ("product", "id"), "checkOut": ("order", "id"), "signUp": ("user", "id"),
    "listOrders": ("cursor", "next_cursor"), "listMessages": ("cursor", "next_cursor"),
})  # fmt: skip


def _post(actor: str, path: str, operation: str, body: dict[str, object] | None = None, **headers: object) -> Step:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Step(actor, "POST", f"/api/{path}", operation, headers=named, body=body, has_body=body is not None)


def _signed_up(actor: str, number: int, role: str) -> tuple[Step, ...]:
    form = {"email": Ref("email", number), "password": PASSWORD, "name": actor, "role": role}
    return (
        _post(actor, "users/signup", "signUp", form),
        Step(actor, "GET", "/api/users/csrf", "getCsrfToken"),
    )


def _offer(title: str, price: str, stock: int) -> Step:
    form = {"title": title, "description": "", "category": "home", "price": price, "stock": stock}
    return _post("sue", "catalog/products", "createProduct", form)


def _put(product: int, quantity: int) -> Step:
    path = (("product_id", Ref("product", product)),)
    return Step("bob", "PUT", "/api/payments/cart/items/{product_id}", "putCartItem", path,
                body={"quantity": quantity}, has_body=True)  # fmt: skip


PRELUDE = (
    *_signed_up("sue", 0, "seller"),
    *_signed_up("bob", 1, "buyer"),
    _offer("Chair", "12.34", 5),
    _offer("Table, pine", "0.60", 3),
    _put(0, 2),
    _put(1, 1),
    _post("bob", "payments/checkout", "checkOut", Idempotency_Key=Ref("key", 0)),
    _post("bob", "users/phone", "sendCode", {"phone": Ref("phone", 0)}),
    _post("bob", "users/phone/verify", "verifyPhone", {"code": Ref("code", 0)}),
    Step("bob", "GET", "/api/notifications/messages", "listMessages"),
    Step("bob", "GET", "/api/payments/orders", "listOrders"),
)
_OWN = st.builds(
    lambda limit, sort, actor: Step(actor, "GET", "/api/catalog/products", "listProducts",
                                    query=(("seller_id", Ref("user", 0)), ("limit", limit), ("sort", sort))),
    st.sampled_from([1, 2, 100]), st.sampled_from(["newest", "price", "-price", "title"]), st.sampled_from(ACTORS),
)  # fmt: skip


def stories(number: int, longest: int = 10) -> list[list[Step]]:
    """So many generated ones, always the same."""
    kinds: list[st.SearchStrategy[Step]] = [_OWN]
    for name, domain in DOMAINS.items():
        kinds += [
            step(domain, operation)
            for operation in operations(_DOCUMENTS / f"{name}.yml")
            if operation.id not in _SKIP[name] and not operation.path.startswith("/internal/")
        ]
    found: list[list[Step]] = []

    @seeded(0)
    @settings(max_examples=number, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(st.sampled_from(kinds).flatmap(lambda kind: kind), min_size=3, max_size=longest))
    def collect(steps: list[Step]) -> None:
        found.append([*PRELUDE, *steps])

    collect()
    return found


@dataclass(frozen=True)
class Said:
    """One answer of the first telling; of a step about messages also how many were unread before and after it."""

    answer: Answer
    unread_before: int | None
    unread: int | None


class Telling:
    """One story with people of its own."""

    def __init__(self, url: str, twilio: TwilioControl, forget_limits: Callable[[], None]) -> None:
        mark = uuid.uuid4()
        phones = [f"+4915{(mark.int + number) % 10**9:09}" for number in range(2)]
        heard: dict[str, Callable[[], list[Any]]] = {
            "email": lambda: [f"{name}-{mark}@example.org" for name in ("sue", "bob", "new")],
            "phone": lambda: phones,
            "key": lambda: [str(uuid.uuid5(mark, str(number))) for number in range(3)],
            "code": lambda: [message["body"][:6] for phone in phones for message in twilio.messages(phone)],
        }
        self.people = {name: Client(url, keep_alive=False) for name in set(ACTORS)}
        self._asked = Asked(LEARNED, self.people, heard)
        forget_limits()

    def first(self, steps: list[Step]) -> list[Said]:
        return [self._said(one) for one in steps]

    def again(self, steps: list[Step], said: list[Said]) -> None:
        """Raises Differs at the first answer that is another one."""
        counterparts = Counterparts()
        for number, (one, before) in enumerate(zip(steps, said, strict=True), 1):
            self._wait_for_unread(one, before.unread_before)
            answer = self._asked.send(one)
            domain = DOMAINS[one.path.split("/")[2]]
            if domain.name == "notifications" and one.method == "GET":
                answer = self._in_time(one, answer, before)
            found = differences(domain, _plain(before.answer), _plain(answer), counterparts)
            if before.unread is not None and (unread := self._unread(one)) != before.unread:
                found.append(f"unread messages: {before.unread} | {unread}")
            if found:
                raise Differs(steps[:number], found)

    def _said(self, one: Step) -> Said:
        unread_before = self._unread(one)
        return Said(self._asked.send(one), unread_before, self._unread(one))

    def _wait_for_unread(self, one: Step, unread: int | None) -> None:
        """Whoever marks messages as read, or counts them, has to have got them."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._unread(one) != unread:
            time.sleep(0.1)

    def _in_time(self, one: Step, answer: Answer, before: Said) -> Answer:
        """What is told takes a moment where another service has to be told."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and (
            _size(answer) != _size(before.answer) or self._unread(one) != before.unread
        ):
            time.sleep(0.1)
            answer = self._asked.send(one)
        return answer

    def _unread(self, one: Step) -> int | None:
        if not one.path.startswith("/api/notifications/"):
            return None
        answer = self.people[one.actor].get(UNREAD)
        return int(answer.json()["unread"]) if answer.status == 200 else None


def _size(answer: Answer) -> int:
    return len(answer.json().get("items", ())) if answer.status == 200 else 0


def _plain(answer: Answer) -> Answer:
    """Without the numbers of orders in what people read, the moment of sending, and the seconds that somebody waits."""
    headers = {**answer.headers, "retry-after": "0"} if "retry-after" in answer.headers else answer.headers
    body = re.sub(rb"([Oo]rder) \d+", rb"\1 N", answer.body)
    body = re.sub(rb'("sent_at": ?)("[^"]*"|null)', rb"\1null", body)
    return replace(answer, headers=headers, body=body)
