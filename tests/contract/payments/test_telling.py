"""What payments tells of an order: each fact once, with the id that both sides give it.

The monolith owns notifications in these tests, so there an event becomes messages at once; the service writes it into
its outbox.
"""

from __future__ import annotations

from collections import Counter
from uuid import NAMESPACE_URL, uuid5

from tests.contract.payments.sides import Bought, Side
from tests.support.waiting import wait_until

NAMESPACE = uuid5(NAMESPACE_URL, "shop:events")
KINDS = ("placed", "paid", "cancelled", "expired")


def told(bought: Bought, *sellers: int) -> Counter[tuple[str, int]]:
    """Type and receiver of all that was told of an order."""
    refunds = [refund["id"] for refund in (bought.shown()["payment"] or {"refunds": []})["refunds"]]
    names = [*KINDS, *(f"refunded:{one}" for one in refunds), *(f"sold:{one}" for one in sellers)]
    ids = ", ".join(f"'{event_id(bought, name)}'" for name in names)
    if bought.side.is_service:
        rows = bought.side.query(f"select type, (payload->'data'->>'user_id')::int from outbox where id in ({ids})")
    else:
        rows = bought.side.query(f"select kind, user_id from notification_messages where event_id in ({ids})")
    return Counter((kind.removeprefix("order."), receiver) for kind, receiver in rows)


def event_id(bought: Bought, name: str) -> str:
    return str(uuid5(NAMESPACE, f"payments:{bought.id}:order.{name}"))


def test_an_order_is_told_to_its_buyer_and_to_each_seller_once_it_is_paid(side: Side) -> None:
    bought, other = side.cart(), side.seller()
    bought.buyer.put_in_cart(other.offer(title="Lamp", price="3.00"), 1)
    bought.check_out()
    sellers, buyer = (bought.seller.id, other.id), bought.buyer.id
    assert told(bought, *sellers) == {("placed", buyer): 1}
    bought.pay()
    for _ in range(2):
        bought.hear_all()
    assert told(bought, *sellers) == {("placed", buyer): 1, ("paid", buyer): 1} | {("sold", one): 1 for one in sellers}


def test_an_event_of_the_service_is_whole_in_its_outbox(both: dict[str, Side]) -> None:
    bought = both["service"].order(price="0.00")
    sold = event_id(bought, f"sold:{bought.seller.id}")
    [(kind, payload)] = bought.side.query(f"select type, payload from outbox where id = '{sold}'")
    assert (payload.pop("occurred_at")[-6:], kind) == ("+00:00", "order.sold")
    lines = [{"title": "Chair", "quantity": 2}]
    assert payload == {
        "id": sold, "type": kind,
        "data": {"user_id": bought.seller.id, "order_id": bought.id, "amount": 0, "lines": lines},
    }  # fmt: skip


def test_what_costs_nothing_is_sold_at_once(side: Side) -> None:
    bought = side.order(price="0.00")
    assert told(bought, bought.seller.id) == {("placed", bought.buyer.id): 1, ("sold", bought.seller.id): 1}


def test_a_cancel_is_told_and_each_refund(side: Side) -> None:
    bought = side.paid_order()
    bought.refund("4.68")
    bought.cancel()
    side.query(f"update {side.names.refund} set {side.names.due} = now() where {side.names.due} is not null")
    bought.wait_for("cancelled", "refunded")
    bought.hear_all()
    buyer = bought.buyer.id
    assert told(bought) == {("placed", buyer): 1, ("paid", buyer): 1, ("cancelled", buyer): 1, ("refunded", buyer): 2}


def test_who_cancels_before_the_money_is_known_is_never_told_that_it_was_paid(side: Side) -> None:
    bought = side.order()
    bought.pay()
    bought.cancel()
    side.query(f"update {side.names.refund} set {side.names.due} = now() where {side.names.due} is not null")
    bought.wait_for("cancelled", "refunded")
    buyer = bought.buyer.id
    assert told(bought, bought.seller.id) == {("placed", buyer): 1, ("cancelled", buyer): 1, ("refunded", buyer): 1}


def test_an_order_that_expires_is_told_as_such(side: Side) -> None:
    bought = side.order()
    bought.make_due("expires_at = now()")
    bought.wait_for("cancelled", "cancelled")
    buyer = bought.buyer.id
    wait_until(lambda: told(bought)["expired", buyer] == 1, 5, "it is told")
    assert told(bought) == {("placed", buyer): 1, ("expired", buyer): 1}
