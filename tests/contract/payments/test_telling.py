"""What the service tells others: each fact once, with an id that comes from the fact."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import pytest

from tests.contract.payments.sides import Bought, Side
from tests.support.waiting import wait_until

NAMESPACE = uuid5(NAMESPACE_URL, "shop:events")


@pytest.fixture
def service(both: dict[str, Side]) -> Side:
    both["service"].control.heal()
    return both["service"]


def told(bought: Bought) -> list[tuple[str, int]]:
    """Type and receiver of all that was told of an order."""
    rows = bought.side.query(
        "select type, (payload->'data'->>'user_id')::int from outbox"
        f" where (payload->'data'->>'order_id')::int = {bought.id} order by created_at, type"
    )
    return [(kind, receiver) for kind, receiver in rows]


def test_an_order_is_told_to_its_buyer_and_to_each_seller_once_it_is_paid(service: Side) -> None:
    bought, other = service.cart(), service.seller()
    bought.buyer.put_in_cart(other.offer(title="Lamp", price="3.00"), 1)
    bought.check_out()
    assert told(bought) == [("order.placed", bought.buyer.id)]
    bought.pay()
    for _ in range(2):
        bought.hear_all()
    assert sorted(told(bought)) == sorted(
        [
            ("order.placed", bought.buyer.id),
            ("order.paid", bought.buyer.id),
            ("order.sold", bought.seller.id),
            ("order.sold", other.id),
        ]
    )
    [(row_id, payload)] = service.query(
        f"select id, payload from outbox where id = '{uuid5(NAMESPACE, f'payments:{bought.id}:order.sold:{other.id}')}'"
    )
    assert (payload["id"], payload["type"]) == (str(row_id), "order.sold")
    assert payload["data"] == {
        "user_id": other.id, "order_id": bought.id, "amount": 300, "lines": [{"title": "Lamp", "quantity": 1}],
    }  # fmt: skip


def test_what_costs_nothing_is_sold_at_once(service: Side) -> None:
    bought = service.order(price="0.00")
    assert told(bought) == [("order.placed", bought.buyer.id), ("order.sold", bought.seller.id)]


def test_a_cancel_is_told_and_each_refund(service: Side) -> None:
    bought = service.paid_order()
    refund = bought.refund("4.68").json()["id"]
    bought.cancel()
    service.query("update refund set due_at = now() where due_at is not null")
    bought.wait_for("cancelled", "refunded")
    bought.hear_all()
    kinds = [kind for kind, _ in told(bought)]
    assert sorted(kinds) == [
        "order.cancelled",
        "order.paid",
        "order.placed",
        "order.refunded",
        "order.refunded",
        "order.sold",
    ]
    name = f"payments:{bought.id}:order.refunded:{refund}"
    assert service.query(f"select payload->'data'->'amount' from outbox where id = '{uuid5(NAMESPACE, name)}'") == [
        (468,)
    ]


def test_who_cancels_before_the_money_is_known_is_never_told_that_it_was_paid(service: Side) -> None:
    bought = service.order()
    bought.pay()
    bought.cancel()
    service.query("update refund set due_at = now() where due_at is not null")
    bought.wait_for("cancelled", "refunded")
    assert [kind for kind, _ in told(bought)] == ["order.placed", "order.cancelled", "order.refunded"]


def test_an_order_that_expires_is_told_as_such(service: Side) -> None:
    bought = service.order()
    bought.make_due("expires_at = now()")
    bought.wait_for("cancelled", "cancelled")
    wait_until(lambda: ("order.expired", bought.buyer.id) in told(bought), 5, "it is told")
    assert [kind for kind, _ in told(bought)] == ["order.placed", "order.expired"]
