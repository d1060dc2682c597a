"""One order with a trace of its buyer's: found again at the proxy, in the shop, in what it told, and in the mail; and
one tree of spans at a collector."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.doubles.control import MailControl
from tests.shop.owners import Owners
from tests.shop.story import CART, Resident, expect
from tests.support.collector import Collector, Given
from tests.support.stack import Stack
from tests.support.waiting import wait_until

CHECKOUT = "/api/payments/checkout"
BUYER = "00f067aa0ba902b7"
"""The span of the buyer's own, which no collector is given."""
OUTBOXES = {
    "monolith": ("FIG_MONOLITH_ADMIN_DSN", "payments_outbox"),
    "payments-1": ("FIG_PAYMENTS_ADMIN_DSN", "outbox"),
}


def lines(log: Path) -> Iterator[dict[str, Any]]:
    """Whatever in it is JSON."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def found(log: Path, **wanted: Any) -> list[dict[str, Any]]:
    return [line for line in lines(log) if wanted.items() <= line.items()]


def ordered(stack: Stack, traceparent: str) -> None:
    """By somebody new."""
    url = stack.env["FIG_PUBLIC_URL"]
    seller, buyer = Resident.signed_up(url, "seller"), Resident.signed_up(url)
    product = seller.offer(3, "Traced lamp")
    expect(buyer.client.request("PUT", f"{CART}/items/{product}", {"quantity": 1}), 200)
    headers = {"Idempotency-Key": str(uuid.uuid4()), "traceparent": traceparent}
    expect(buyer.client.post(CHECKOUT, headers=headers), 201)


def published(stack: Stack, shop: str, trace: str) -> str:
    """The id of the event in the outbox."""
    variable, table = OUTBOXES[shop]
    query = f"select id from {table} where type = 'order.placed' and payload->>'traceparent' like %s"
    with psycopg.connect(stack.env[variable]) as connection:
        [(event,)] = connection.execute(query.encode(), [f"00-{trace}-%"]).fetchall()
    return str(event)


@pytest.mark.parametrize(
    ("shop", "teller"),
    [
        pytest.param("monolith", "notifications-1", marks=pytest.mark.full),
        ("payments-1", "notifications-1"),
        pytest.param("payments-1", "monolith", marks=pytest.mark.full),
        pytest.param("monolith", "monolith", marks=pytest.mark.full),
    ],
)
def test_an_orders_trace_leads_from_the_proxy_to_the_mail(stack: Stack, owners: Owners, shop: str, teller: str) -> None:
    """`shop`: who sells; `teller`: who writes the mail."""
    away = {name.removesuffix("-1") for name in (shop, teller)} - {"monolith"}
    owners.divide(away)
    owners.forget_limits()
    logs, trace = stack.state / "logs", secrets.token_hex(16)
    ordered(stack, f"00-{trace}-{BUYER}-01")
    access = stack.state / "nginx" / "access.json"
    wait_until(lambda: found(access, trace_id=trace, path=CHECKOUT), 10, "the proxy has written of it")
    [told] = found(logs / f"{shop}.log", trace_id=trace, message="telling", type="order.placed")
    if shop == teller == "monolith":
        sender = logs / "monolith-sending.log"
    else:
        assert published(stack, shop, trace) == told["event"]
        listener = logs / ("monolith-events.log" if teller == "monolith" else f"{teller}.log")
        wait_until(lambda: found(listener, trace_id=trace, event=told["event"], message="taken"), 20, "it is heard of")
        sender = logs / ("monolith-sending.log" if teller == "monolith" else f"{teller}.log")
    wait_until(lambda: found(sender, event=told["event"], channel="email", message="message sent"), 20, "it is sent")
    [sent] = found(sender, event=told["event"], channel="email", message="message sent")
    mails = MailControl(f"http://127.0.0.1:{stack.ports['mail']}").mails()
    assert [mail["subject"] for mail in mails if str(sent["message_id"]) in mail["message_id"]]
    # The stock came from the catalog, by a call through the proxy's internal listener.
    called = {line["domain"] for line in found(access, trace_id=trace, listener="internal")}
    assert ("catalog" in called) is (shop != "monolith")


def roots(spans: list[Given]) -> list[str]:
    """Parents that nobody has handed over."""
    known = {span.id for span in spans}
    return sorted(span.parent for span in spans if span.parent not in known)


def way(spans: list[Given], name: str) -> list[str]:
    """From the root down to one of the spans that have this name: who did what."""
    by_id = {span.id: span for span in spans}
    found = [next(span for span in spans if span.name == name)]
    while found[0].parent in by_id:
        found.insert(0, by_id[found[0].parent])
    return [f"{span.service} {span.kind} {span.name}" for span in found]


@pytest.mark.parametrize(
    "away",
    [
        ("catalog", "notifications"),
        pytest.param(("notifications", "payments"), marks=pytest.mark.full),
        pytest.param(("catalog", "notifications", "payments", "users"), marks=pytest.mark.full),
        pytest.param((), marks=pytest.mark.full),
    ],
    ids=lambda away: "-".join(away) or "nobody",
)
def test_an_orders_spans_are_one_tree(stack: Stack, owners: Owners, spans: Collector, away: tuple[str, ...]) -> None:
    owners.divide(away)
    owners.forget_limits()
    shop, stock, teller, people = (
        domain if domain in away else "monolith" for domain in ("payments", "catalog", "notifications", "users")
    )
    trace = secrets.token_hex(16)
    ordered(stack, f"00-{trace}-{BUYER}-01")
    wanted = {"send email", *(["process order.placed"] if away else [])}

    def whole() -> bool:
        found = spans.of(trace)
        return wanted <= {span.name for span in found} and set(roots(found)) == {BUYER}

    wait_until(whole, 40, f"the spans of {trace} are one tree", every=0.1)
    found = spans.of(trace)
    assert roots(found) == [BUYER], "one root, and no orphan"
    assert not [span for span in found if span.is_error]
    told = [f"{shop} SERVER POST {CHECKOUT}"]
    heard = [*told, f"{teller} CONSUMER process order.placed"] if wanted > {"send email"} else told
    assert way(found, "send email") == [*heard, f"{teller} CLIENT send email"]
    if stock != shop:
        # The key is the order's, the place of it in the path is not.
        [called] = {
            span.name
            for span in found
            if span.service == stock and "reservations/<" in span.name and "PUT" in span.name
        }
        assert way(found, called) == [*told, f"{shop} CLIENT PUT catalog", f"{stock} SERVER {called}"]
    if people != teller:
        [asked] = {span.name for span in found if span.name.endswith("/contact")}
        assert way(found, asked) == [*heard, f"{teller} CLIENT GET users", f"{people} SERVER {asked}"]
