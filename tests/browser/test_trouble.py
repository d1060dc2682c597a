"""What people see when the shop has trouble: patience, one order, never a lost click or a page of error."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.looking import faults
from tests.doubles.faults import Kind


def test_a_page_waits_for_a_shop_that_is_away_and_goes_on_by_itself(stack, browser, people):
    visitor = people("Cora Hill")
    former = stack.kill("monolith")
    visitor.page.goto("/")
    expect(visitor.page.get_by_text("The shop is busy. Nothing is lost; trying again…").first).to_be_visible()
    assert faults(visitor.page) == {}
    expect(visitor.page.locator("#products .card-words h3").first).to_be_visible(timeout=75_000)
    expect(visitor.page.locator(".patience")).to_be_hidden()
    stack.wait_until_back("monolith", former)
    # The browser notes each answer of a shop that was away; the page did not.
    assert all(re.search("status of 50[234]", one) for one in visitor.complaints.found)
    visitor.complaints.found.clear()


def test_a_checkout_whose_answer_was_lost_is_one_order_and_one_payment(stack, people, email, stripe):
    buyer = people("Ben Reed")
    buyer.signs_up(email())
    buyer.puts_into_cart("/product?id=3")
    before = len(stripe.intents())
    stripe.fail(Kind.ERROR, times=3, method="POST", path="/v1/payment_intents")
    buyer.orders()
    buyer.pays()
    number = buyer.sees_order_paid()
    stripe.heal()
    assert len(stripe.intents()) == before + 1
    buyer.goes_to("/orders")
    expect(buyer.page.locator(".rows > li")).to_have_count(1)
    expect(buyer.page.get_by_role("link", name=f"Order {number}")).to_be_visible()
    buyer.complaints.found = [one for one in buyer.complaints.found if "status of 503" not in one]


def test_wrong_fields_are_named_beside_the_field_and_the_first_one_gets_the_focus(stack, people, email):
    visitor = people("Cora Hill")
    visitor.goes_to("/signup")
    page = visitor.page
    page.get_by_label("Name").fill("Cora Hill")
    page.get_by_label("E-mail address").fill("nobody")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_label("E-mail address")).to_be_focused()
    expect(page.get_by_label("E-mail address")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("8 characters"))
    assert faults(page) == {}
    # What only the shop can know is said as well: the address is taken.
    taken = email()
    people("Ada Fern").signs_up(taken)
    page.get_by_label("E-mail address").fill(taken)
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("alert")).to_have_text("There is an account with this e-mail address already.")


def test_a_page_that_is_older_than_the_session_still_works(stack, people, email):
    """A login in another window voids the token that this one has fetched."""
    person, address = people("Ada Fern"), email()
    person.signs_up(address)
    page = person.page
    page.get_by_label("Name").fill("Ada F.")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("heading", name="Hello, Ada F.")).to_be_visible()
    other = person.context.new_page()
    person.page = other
    person.logs_in(address)
    page.get_by_label("Name").fill("Ada Fern")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_role("heading", name="Hello, Ada Fern")).to_be_visible()


def test_after_logging_out_everywhere_own_pages_ask_to_log_in_and_lead_back(stack, people, email):
    person, address = people("Ada Fern"), email()
    person.signs_up(address)
    person.page.get_by_role("button", name="Log out everywhere").click()
    expect(person.page.get_by_role("link", name="Log in")).to_be_visible()
    person.page.goto("/orders")
    person.page.wait_for_url("**/login?next=%2Forders")
    person.page.get_by_label("E-mail address").fill(address)
    person.page.get_by_label("Password").fill("a long password")
    person.page.get_by_role("button", name="Log in").click()
    expect(person.page.get_by_role("heading", name="Your orders")).to_be_visible()


def test_a_login_leads_to_no_other_site(stack, people, email):
    person, address = people("Ada Fern"), email()
    person.signs_up(address)
    person.page.goto("/login?next=//evil.example/")
    person.page.get_by_label("E-mail address").fill(address)
    person.page.get_by_label("Password").fill("a long password")
    person.page.get_by_role("button", name="Log in").click()
    person.page.wait_for_url(lambda found: "/login" not in found)
    assert person.page.url == f"{stack.env['FIG_PUBLIC_URL']}/"
