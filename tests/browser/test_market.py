"""People sell and buy on the shop's pages; then again while domains go forth and back under their hands (I4, I8)."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from playwright.sync_api import expect

from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Side
from tests.browser.looking import faults
from tests.load.moving import Moving
from tests.support.waiting import wait_until

# What runs once any domain may move; the tests of this folder start without.
SERVICES = ("users-1", "payments-1", "notifications-1", "monolith-events")
ALL = ["catalog", "users", "payments", "notifications"]
# The seller hears of an account, a number and a sale; the buyer of an account, an order and its payment.
MAILS = (3, 3)


@contextmanager
def switching(stack, domains: list[str]) -> Iterator[list[int]]:
    """Each domain in turn is given to the other side, as long as this lasts; yields how often, so far."""
    movings = [Moving(stack, domain) for domain in domains]
    for moving in movings:
        moving.begin_sync()
    done, over, trouble = [0], threading.Event(), []

    def switch() -> None:
        forward = dict.fromkeys(domains, True)
        try:
            while not over.is_set():
                for moving in movings:
                    try:
                        moving.switch(forward[moving.domain])
                    except SwitchAborted:
                        moving.wait_until_settled()
                        continue
                    forward[moving.domain] = not forward[moving.domain]
                    done[0] += 1
        except Exception as error:  # noqa: BLE001 (told to the test, which fails)
            trouble.append(error)

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join(90)
        for moving in movings:
            moving.give_to(Side.MONOLITH)
    assert trouble == []


def sell_and_buy(people, email, phone, twilio, stripe) -> None:
    seller, buyer = people("Ada Fern"), people("Ben Reed", small=True)
    seller.signs_up(email())
    seller.verifies_phone(phone(), twilio)
    seller.becomes_seller()
    # What people write is text, whatever it looks like.
    title = "Old chair <img src=x onerror=alert(1)>"
    product = seller.offers(title, "24.50", 3)

    buyer.signs_up(email())
    buyer.puts_into_cart(product, 2)
    buyer.orders()
    buyer.pays()
    number = buyer.sees_order_paid()
    paid = [one for one in stripe.intents() if one["metadata"].get("order") == number]
    assert [(one["status"], one["amount"]) for one in paid] == [("succeeded", 4900)]
    buyer.goes_to("/orders")
    expect(buyer.page.get_by_role("link", name=f"Order {number}")).to_contain_text("€49.00")

    seller.goes_to("/sales")
    sold = seller.page.get_by_role("row").filter(has_text=f"Order {number}")
    expect(sold).to_contain_text(title)
    expect(sold).to_contain_text("€49.00")
    seller.goes_to("/sell")
    expect(seller.page.get_by_role("listitem").filter(has_text=title)).to_contain_text("1 piece")


def test_somebody_sells_and_somebody_buys(stack, people, email, phone, twilio, stripe):
    sell_and_buy(people, email, phone, twilio, stripe)


def has_mails(mail, address: str, number: int) -> bool:
    return len(mail.mails(address)) >= number


def sell_and_buy_while_switching(stack, domains, people, email, phone, twilio, stripe) -> None:
    with switching(stack, domains) as done:
        sell_and_buy(people, email, phone, twilio, stripe)
        # The same pages again until both directions have been seen.
        visitor = people("Cora Hill")
        while done[0] < 2 * len(domains):
            visitor.goes_to("/")
            expect(visitor.page.locator("#products .card-words").first).to_be_visible()


@pytest.mark.timeout(240)
def test_nobody_notices_when_a_domain_is_switched_forth_and_back(stack, people, email, phone, twilio, stripe):
    sell_and_buy_while_switching(stack, ["catalog"], people, email, phone, twilio, stripe)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_nobody_notices_when_all_domains_are_switched_forth_and_back(stack, people, email, phone, twilio, stripe, mail):
    stack.up(*SERVICES)
    addresses = [email(), email()]
    left = iter(addresses)
    sell_and_buy_while_switching(stack, ALL, people, lambda: next(left), phone, twilio, stripe)
    # Whoever owned what by then: each mail came, and none came twice.
    for address, number in zip(addresses, MAILS, strict=True):
        wait_until(partial(has_mails, mail, address, number), 60, f"{number} mails to {address}", every=0.2)
        assert sorted(Counter(one["subject"] for one in mail.mails(address)).values()) == [1] * number


def test_who_opens_an_account_is_told_so_on_the_page_and_by_mail_and_chooses_what_else(stack, people, email, mail):
    person, address = people("Ada Fern"), email()
    person.signs_up(address)
    expect(person.page.get_by_role("link", name="Messages, 1 unread")).to_be_visible()
    person.goes_to("/messages")
    page = person.page
    expect(page.locator(".message")).to_have_count(1)
    wait_until(lambda: len(mail.mails(address)) == 1, 20, f"a mail to {address}")
    expect(page.get_by_role("link", name="Messages", exact=True)).to_be_visible()
    wanted = page.get_by_role("group", name="By e-mail").get_by_label("My orders")
    wanted.uncheck()
    expect(page.locator("#announcements")).to_have_text("Saved.")
    person.goes_to("/messages")
    expect(wanted).not_to_be_checked()


def test_an_order_is_cancelled_and_its_money_comes_back(stack, people, email, stripe):
    buyer, wrong = people("Ben Reed"), {}
    buyer.signs_up(email())
    buyer.puts_into_cart("/product?id=1")
    wrong["in the cart"] = faults(buyer.page)
    buyer.goes_to("/cart")
    wrong["cart"] = faults(buyer.page)
    buyer.orders()
    expect(buyer.page.get_by_label("Test card")).to_be_visible()
    wrong["to be paid"] = faults(buyer.page)
    buyer.pays()
    number = buyer.sees_order_paid()
    wrong["paid"] = faults(buyer.page)
    buyer.page.get_by_role("button", name="Cancel the order…").click()
    wrong["cancel?"] = faults(buyer.page)
    buyer.page.get_by_role("button", name="Cancel this order").click()
    expect(buyer.page.get_by_role("dialog")).to_be_hidden()
    expect(buyer.page.locator(".title-row .chip")).to_have_text(re.compile("Cancelled|Refunded"))
    # The background work gives it back, perhaps only when its grace is over.
    refund = buyer.page.get_by_role("listitem").filter(has_text=re.compile("On its way|Given back"))
    [intent] = [one for one in stripe.intents() if one["metadata"].get("order") == number]
    expect(refund).to_contain_text(f"€{intent['amount'] / 100:,.2f}")
    wrong["given back"] = faults(buyer.page)
    assert {what: one for what, one in wrong.items() if one} == {}


def test_a_declined_card_is_said_and_a_bank_that_asks_leads_back_to_the_order(stack, people, email):
    buyer = people("Ben Reed")
    buyer.signs_up(email())
    buyer.puts_into_cart("/product?id=2")
    buyer.orders()
    buyer.pays("Visa 0002: declined")
    expect(buyer.page.get_by_role("alert").filter(has_text="Your card was declined.")).to_be_visible()
    # Left and come back to: the order is still there to be paid.
    buyer.goes_to("/orders")
    buyer.page.get_by_role("link", name="Waiting for payment").click()
    buyer.page.get_by_role("link", name="Pay until").click()
    buyer.pays("Visa 3184: the bank asks first")
    buyer.page.get_by_role("button", name="Yes, it is me").click()
    buyer.sees_order_paid()
