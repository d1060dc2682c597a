"""The checker is checked: a history that keeps every promise passes, each broken one is found and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.clients import Outcome
from tests.support.history import (
    Acceptance,
    Act,
    Charge,
    GivenBack,
    History,
    Letter,
    Movement,
    Operation,
    Order,
    Outside,
    Product,
    Purchase,
    Refund,
    Reservation,
    Side,
    Turn,
    check,
    movement_key,
)

SELLER, BUYER = "seller@example.org", "buyer@example.org"
CREATED, STOCKED, BOUGHT, RETURNED, GIVEN = (
    f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3, 4, 5)
)  # fmt: skip
ORDER, CANCELLED = 70, 71


def operation(actor: str, act: Act, at: float, status: int | None = 200, **facts: Any) -> Operation:
    outcome = Outcome.UNKNOWN if status is None else Outcome.REFUSED if status >= 400 else Outcome.ACKNOWLEDGED
    return Operation(actor, act, at, at + 0.01, outcome, status, **facts)


OPERATIONS = (
    operation(SELLER, Act.READ_SELF, 0.5, fields={"email": SELLER}),
    operation(SELLER, Act.CREATE, 1, 201, product=5, key=CREATED, version=1, fields={"title": "Lamp"}),
    operation(SELLER, Act.EDIT, 2, product=5, version=2, fields={"title": "Blue lamp"}),
    operation(SELLER, Act.READ_PRODUCT, 3, product=5, version=2),
    operation(SELLER, Act.STOCK, 4, product=5, delta=5, key=STOCKED),
    operation(BUYER, Act.CHECKOUT, 5, 201, order=ORDER, key=BOUGHT),
    operation(BUYER, Act.CHECKOUT, 6, 201, order=CANCELLED, key=RETURNED),
    operation(BUYER, Act.CANCEL, 7, order=CANCELLED),
    operation(BUYER, Act.READ_ORDERS, 8, orders={ORDER: "placed", CANCELLED: "cancelled"}),
    operation(SELLER, Act.READ_ORDERS, 9, titles={5: "Blue lamp"}),
    operation(BUYER, Act.READ_SELF, 9.1, fields={"email": BUYER}),
    operation(BUYER, Act.PAY, 9.2, order=ORDER),
    operation(BUYER, Act.READ_ORDERS, 9.3, orders={ORDER: "placed", CANCELLED: "cancelled"}, payments={ORDER: "paid"}),
    operation(SELLER, Act.REFUND, 9.4, order=ORDER, key=GIVEN),
)
PRODUCT = Product(5, 2, "Blue lamp", "", "light", "12.34", 13, "active", 2, CREATED, "t1", "t2")
MOVEMENTS = (
    Movement(1, 5, 10, "opening", CREATED),
    Movement(2, 5, 5, "adjustment", STOCKED),
    Movement(3, 5, -2, "sale", movement_key(BOUGHT, 5, "sale")),
    Movement(4, 5, -1, "sale", movement_key(RETURNED, 5, "sale")),
    Movement(5, 5, 1, "return", movement_key(RETURNED, 5, "return")),
)
RESERVATIONS = (
    Reservation(BOUGHT, "confirmed", ((5, 2, "12.34", "Blue lamp"),)),
    Reservation(RETURNED, "released", ((5, 1, "12.34", "Blue lamp"),)),
)


def side(name: str, state: str, epoch: int) -> Side:
    movements = {movement.id: movement for movement in MOVEMENTS}
    return Side(name, state, epoch, {5: PRODUCT}, movements, {r.key: r for r in RESERVATIONS})


MONOLITH, SERVICE = side("monolith", "released", 2), side("service", "owner", 2)
TURNS = (
    Turn(0.0, 10, "monolith", "owner", 1),
    Turn(0.0, 10, "service", "standby", 1),
    Turn(4.5, 50, "monolith", "fenced", 2),
    Turn(4.6, 60, "monolith", "released", 2),
    Turn(4.7, 40, "service", "owner", 2),
)
ACCEPTANCES = (
    Acceptance(1.0, 20, "monolith", ("public.products",)),
    Acceptance(5.0, 70, "service", ("public.inventory", "public.movement")),
)
ORDERS = {
    ORDER: Order(ORDER, BOUGHT, "placed", ((5, 2),), BOUGHT),
    CANCELLED: Order(CANCELLED, RETURNED, "cancelled", ((5, 1),), RETURNED),
}
LETTERS = tuple(
    Letter(to, subject, f"<{number}@example.test>")
    for number, (to, subject) in enumerate((
        (SELLER, "Welcome to the shop"),
        (BUYER, "Welcome to the shop"),
        (BUYER, f"Your order {ORDER}"),
        (BUYER, f"Order {ORDER} is paid"),
        (SELLER, f"You have sold something: order {ORDER}"),
        (BUYER, f"Money back for order {ORDER}"),
        (BUYER, f"Your order {CANCELLED}"),
        (BUYER, f"Order {CANCELLED} is cancelled"),
        ("somebody@example.org", "Your order 1"),
    ))
)  # fmt: skip
KEPT_MONEY = Purchase(ORDER, BUYER, (SELLER,), 2468, "pi_1", "partly_refunded", (Refund(ORDER, GIVEN, "made", 20),))
GIVEN_UP = Purchase(CANCELLED, BUYER, (SELLER,), 1234, "pi_2", "cancelled")
OUTSIDE = Outside(
    {ORDER: KEPT_MONEY, CANCELLED: GIVEN_UP},
    (Charge("pi_1", 2468, paid=False), Charge("pi_1", 2468, paid=True)),
    (GivenBack("pi_1", 20),),
    LETTERS,
)
CLEAN = History(OPERATIONS, (MONOLITH, SERVICE), ORDERS, TURNS, ACCEPTANCES, outside=OUTSIDE)


def with_operation(*more: Operation) -> History:
    return replace(CLEAN, operations=(*OPERATIONS, *more))


def with_both(**changes: Any) -> History:
    """Both sides hold the same wrong thing, so that comparing them would find nothing."""
    return replace(CLEAN, sides=(replace(MONOLITH, **changes), replace(SERVICE, **changes)))


def with_service(**changes: Any) -> History:
    return replace(CLEAN, sides=(MONOLITH, replace(SERVICE, **changes)))


def with_product(**changes: Any) -> History:
    return with_both(products={5: replace(PRODUCT, **changes)})


def movements(*without: int, more: tuple[Movement, ...] = ()) -> Mapping[int, Movement]:
    kept = [movement for movement in MOVEMENTS if movement.id not in without]
    return {movement.id: movement for movement in (*kept, *more)}


def balanced(*without: int, more: tuple[Movement, ...] = ()) -> History:
    """Movements changed on both sides, with a stock that adds up all the same."""
    ledger = movements(*without, more=more)
    stock = sum(movement.delta for movement in ledger.values())
    return with_both(movements=ledger, products={5: replace(PRODUCT, stock=stock)})


def with_turns(*turns: Turn) -> History:
    return replace(CLEAN, turns=(*TURNS, *turns))


def with_orders(order: int, **changes: Any) -> History:
    return replace(CLEAN, orders={**ORDERS, order: replace(ORDERS[order], **changes)})


def with_outside(**changes: Any) -> History:
    return replace(CLEAN, outside=replace(OUTSIDE, **changes))


def with_purchase(purchase: Purchase, **changes: Any) -> History:
    return with_outside(purchases={**OUTSIDE.purchases, purchase.order: replace(purchase, **changes)})


def letters(*without: int, more: tuple[Letter, ...] = ()) -> tuple[Letter, ...]:
    return (*(letter for number, letter in enumerate(LETTERS) if number not in without), *more)


def accepted(side_name: str, at: float, position: int) -> History:
    more = Acceptance(at, position, side_name, ("public.products",))
    return replace(CLEAN, acceptances=(*ACCEPTANCES, more))


def test_a_history_that_keeps_every_promise_passes_and_counts_what_it_looked_at() -> None:
    verdict = check(CLEAN)
    assert verdict.violations == ()
    kept = [p for p in ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8") if verdict.word(p) == "kept"]
    assert kept == ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"]
    assert (verdict.word("I9"), verdict.word("I10")) == ("not exercised", "not exercised")


def test_a_history_of_nothing_exercises_nothing() -> None:
    verdict = check(History((), (), {}))
    assert {verdict.word(p) for p in ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8")} == {"not exercised"}


BROKEN: dict[str, tuple[str, History, str]] = {
    "a write accepted after the fence": ("I1", accepted("monolith", 4.55, 55), "it was fenced at epoch 2"),
    "a write accepted before the grant": ("I1", accepted("service", 4.65, 30), "it was standby at epoch 1"),
    "a grant before the fence": (
        "I1",
        replace(CLEAN, turns=(*TURNS[:-1], replace(TURNS[-1], at=4.4))),
        "4.400000..inf",
    ),
    "one epoch with two owners": (
        "I1",
        with_turns(Turn(9.0, 90, "monolith", "owner", 2)),
        "monolith since 9",
    ),
    "an acknowledged product is missing": (
        "I2",
        with_both(products={}, movements={}, reservations={}),
        "product 5 is missing",
    ),
    "an acknowledged edit is lost": ("I2", with_product(version=1), "product 5 is at version 1"),
    "an edit's content is lost": ("I2", with_product(title="Lamp"), "title of version 2 is 'Lamp'"),
    "two edits were told the same version": (
        "I2",
        with_operation(operation(SELLER, Act.EDIT, 10, product=5, version=2, fields={"title": "Red"})),
        "version also acknowledged to",
    ),
    "a request key was overwritten": ("I2", with_product(key=STOCKED), "has request key"),
    "an acknowledged stock change is lost": ("I2", balanced(2), "no such movement"),
    "a stock change has another size": (
        "I2",
        balanced(2, more=(Movement(2, 5, 4, "adjustment", STOCKED),)),
        "(5, 4)",
    ),
    "an acknowledged write is missing on the copy": (
        "I2",
        with_service(movements=movements(2)),
        "service side",
    ),
    "an acknowledged order is missing": (
        "I2",
        replace(CLEAN, orders={}),
        "order 70 under this key is missing",
    ),
    "an acknowledged order failed": ("I2", with_orders(ORDER, state="failed"), "order 70 is failed"),
    "an acknowledged cancel is undone": ("I2", with_orders(CANCELLED, state="placed"), "order 71 is placed"),
    "stock does not add up": ("I3", with_product(stock=12), "stock is 12, movements add up to 13"),
    "one key moved stock twice": (
        "I3",
        balanced(more=(Movement(6, 5, 5, "adjustment", STOCKED),)),
        "movements [2, 6]",
    ),
    "one checkout made two orders": (
        "I3",
        with_operation(operation(BUYER, Act.CHECKOUT, 9, 201, order=99, key=BOUGHT)),
        "has orders [70, 99]",
    ),
    "an order took nothing": ("I3", balanced(3), "the ledger has nothing"),
    "an order took too much": (
        "I3",
        balanced(3, more=(Movement(3, 5, -3, "sale", movement_key(BOUGHT, 5, "sale")),)),
        "{'sale': -3}",
    ),
    "a cancelled order kept its stock": ("I3", balanced(5), "the ledger has {'sale': -1}"),
    "an order is still halfway": ("I3", with_orders(ORDER, state="pending"), "order 70 is pending"),
    "a reservation is still held": (
        "I3",
        with_both(reservations={BOUGHT: replace(RESERVATIONS[0], state="held"), RETURNED: RESERVATIONS[1]}),
        "is held",
    ),
    "stock moved for no order": (
        "I3",
        balanced(more=(Movement(6, 5, -1, "sale", movement_key(CREATED, 5, "sale")),)),
        "nobody asked for it",
    ),
    "a product was opened twice": (
        "I3",
        balanced(more=(Movement(6, 5, 10, "opening", ""),)),
        "was opened 2 times",
    ),
    "a refused write is there": (
        "I3",
        replace(CLEAN, operations=(*OPERATIONS[:4], replace(OPERATIONS[4], outcome=Outcome.REFUSED, status=409))),
        "was refused, but is on the service side",
    ),
    "somebody is charged twice": (
        "I3",
        with_outside(charges=(*OUTSIDE.charges, Charge("pi_1", 2468, paid=True))),
        "Stripe took [2468, 2468] for 2468 cents",
    ),
    "somebody is charged too much": (
        "I3",
        with_outside(charges=(Charge("pi_1", 2469, paid=True),)),
        "Stripe took [2469]",
    ),
    "money was taken for no order": (
        "I3",
        with_outside(charges=(*OUTSIDE.charges, Charge("pi_3", 50, paid=True))),
        "payment pi_3: 0 orders know of it",
    ),
    "a cancelled order was paid and nothing went back": (
        "I3",
        with_outside(charges=(*OUTSIDE.charges, Charge("pi_2", 1234, paid=True))),
        "order 71 is cancelled and cancelled",
    ),
    "money went back twice": (
        "I3",
        with_outside(given_back=(*OUTSIDE.given_back, GivenBack("pi_1", 20))),
        "gave 40 back, the shop knows of 20",
    ),
    "an order is sent without its money": (
        "I3",
        with_outside(charges=(Charge("pi_1", 2468, paid=False),), given_back=()),
        "Stripe took 0",
    ),
    "a payment is not known": ("I2", with_purchase(KEPT_MONEY, payment="unpaid"), "the payment is unpaid"),
    "an acknowledged refund is lost": ("I2", with_purchase(KEPT_MONEY, refunds=()), "the shop has []"),
    "somebody is told twice": (
        "I3",
        with_outside(letters=letters(more=(replace(LETTERS[3], id="<again@example.test>"),))),
        f"Order {ORDER} is paid: came 2 times instead of 1",
    ),
    "one letter came twice": ("I3", with_outside(letters=letters(more=(LETTERS[8],))), "came 2 times"),
    "a message is lost": ("I2", with_outside(letters=letters(4)), "sold something: order 70: came 0 times"),
    "more than one message is lost, and one is in doubt": (
        "I2",
        with_outside(letters=letters(4, 5), doubtful=frozenset({"<4@example.test>"})),
        "came 0 times instead of 1",
    ),
    "a welcome is lost": ("I2", with_outside(letters=letters(1)), "Welcome to the shop: came 0 times"),
    "somebody is told of money that is not there": (
        "I3",
        with_outside(letters=letters(more=(Letter(BUYER, f"Order {CANCELLED} is paid", "<x@example.test>"),))),
        f"Order {CANCELLED} is paid: came 1 times instead of 0",
    ),
    "a payment is forgotten": (
        "I7",
        with_operation(
            operation(
                BUYER, Act.READ_ORDERS, 10, orders={ORDER: "placed", CANCELLED: "cancelled"}, payments={ORDER: "unpaid"}
            )
        ),
        "showed as paid, now as unpaid",
    ),
    "a request failed": (
        "I4",
        with_operation(operation(BUYER, Act.BROWSE, 9, None, evidence="connection reset")),
        "connection reset",
    ),
    "an answer was wrong": (
        "I4",
        with_operation(operation(BUYER, Act.BROWSE, 9, 404, expected=False, evidence="no such page")),
        "no such page",
    ),
    "nobody owns": ("I5", with_service(state="standby"), "service is standby"),
    "both own": (
        "I5",
        replace(CLEAN, sides=(replace(MONOLITH, state="owner"), SERVICE)),
        "monolith is owner",
    ),
    "the owner is behind": ("I5", replace(CLEAN, sides=(replace(MONOLITH, epoch=3), SERVICE)), "at epoch 3"),
    "a product differs": (
        "I6",
        with_service(products={5: replace(PRODUCT, price="12.35")}),
        "price: monolith '12.34', service '12.35'",
    ),
    "a reservation is on one side only": (
        "I6",
        with_service(reservations={}),
        "is on the monolith side only",
    ),
    "an own edit is not seen": (
        "I7",
        with_operation(operation(SELLER, Act.READ_PRODUCT, 10, product=5, version=1)),
        "saw version 1 after version 2",
    ),
    "an own order is not listed": (
        "I7",
        with_operation(operation(BUYER, Act.READ_ORDERS, 10)),
        "is not listed",
    ),
    "an own cancel is not seen": (
        "I7",
        with_operation(
            operation(BUYER, Act.READ_ORDERS, 10, orders={ORDER: "placed", CANCELLED: "placed"}),
        ),
        "order 71 was cancelled, but shows as placed",
    ),
    "an own edit is not seen through another domain's join": (
        "I7",
        with_operation(operation(SELLER, Act.READ_ORDERS, 10, titles={5: "Lamp"})),
        "saw title 'Lamp' after 'Blue lamp'",
    ),
    "somebody is logged out": ("I8", with_operation(operation(BUYER, Act.BROWSE, 9, 401)), "is logged out"),
    "a CSRF token is not accepted any more": (
        "I8",
        with_operation(operation(BUYER, Act.CANCEL, 9, 403, order=ORDER, evidence="csrf")),
        "lost role or CSRF token: csrf",
    ),
    "somebody is taken for somebody else": (
        "I8",
        with_operation(operation(BUYER, Act.READ_SELF, 9, fields={"email": SELLER})),
        f"is taken for {SELLER}",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found_and_named(name: str) -> None:
    promise, history, evidence = BROKEN[name]
    verdict = check(history)
    found = [v for v in verdict.violations if v.promise == promise and evidence in f"{v.operation}: {v.evidence}"]
    assert found, f"not found; the checker says: {verdict}"
    assert verdict.word(promise) == "broken"


@pytest.mark.parametrize("promise", ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"])
def test_every_promise_that_a_history_can_show_has_a_broken_one(promise: str) -> None:
    assert promise in {broken[0] for broken in BROKEN.values()}


def test_a_write_without_an_answer_may_be_there_or_not() -> None:
    lost = operation(SELLER, Act.STOCK, 10, None, product=5, delta=7, key=CANCELLED_KEY)
    there = balanced(more=(Movement(6, 5, 7, "adjustment", CANCELLED_KEY),))
    for history in (CLEAN, there):
        faulty = replace(history, operations=(*OPERATIONS, lost), faultless=False)
        assert check(faulty).violations == ()


def test_an_edit_without_an_answer_may_show_or_not() -> None:
    unknown = operation(SELLER, Act.EDIT, 10, None, product=5)
    later = operation(SELLER, Act.READ_ORDERS, 11, titles={5: "Green lamp"})
    history = replace(CLEAN, operations=(*OPERATIONS, unknown, later), faultless=False)
    assert check(history).violations == ()


def test_a_letter_of_which_the_shop_does_not_know_may_have_come_or_not() -> None:
    doubtful = frozenset({"<4@example.test>"})
    for there in (LETTERS, letters(4)):
        assert check(with_outside(letters=there, doubtful=doubtful)).violations == ()


def test_money_that_came_after_the_buyer_cancelled_goes_back_with_or_without_a_word() -> None:
    back = Refund(CANCELLED, "", "made", 1234)
    late = replace(GIVEN_UP, payment="refunded", refunds=(back,))
    told = Letter(BUYER, f"Money back for order {CANCELLED}", "<9@example.test>")
    paid = Letter(BUYER, f"Order {CANCELLED} is paid", "<10@example.test>")
    for more in ((told,), (told, paid)):
        history = with_outside(
            purchases={**OUTSIDE.purchases, CANCELLED: late},
            charges=(*OUTSIDE.charges, Charge("pi_2", 1234, paid=True)),
            given_back=(*OUTSIDE.given_back, GivenBack("pi_2", 1234)),
            letters=letters(more=more),
        )
        assert check(history).violations == ()


def test_a_movement_from_before_the_watch_needs_no_cause() -> None:
    old = Movement(6, 5, 3, "adjustment", "from-the-seed")
    assert check(replace(balanced(more=(old,)), movements_before=frozenset({6}))).violations == ()


CANCELLED_KEY = "00000000-0000-4000-8000-000000000009"
