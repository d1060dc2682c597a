"""Every page, on a phone and on a desktop: usable by keyboard and by ear, within its policy, nothing cut off."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from legacy_monolith.openapi import DOMAINS
from tests.browser.looking import faults
from tests.support.stack import PROJECT

STOREFRONT = PROJECT / "legacy_monolith" / "storefront"
PAGES = sorted(
    f"/{page.relative_to(STOREFRONT).with_suffix('')}".replace("/index", "/") for page in STOREFRONT.rglob("*.html")
)
QUERIES = {"/product": "?id=1", "/order": "?id={order}", "/sell/product": "?id=1", "/api-docs": "?domain=users"}
# Somebody who has just come: nothing is there yet, or nothing for them.
EMPTY = (
    "/cart", "/checkout", "/orders", "/messages", "/sell", "/sales", "/sell/product", "/order?id=999999999",
    "/product?id=999999999", "/product", "/?q=nothing-like-this", "/no/such/page",
)  # fmt: skip
LOGGED_OUT = ("/", "/product?id=2", "/cart")


@pytest.fixture(scope="module")
def seeded_seller(url) -> str:
    """Whose is product 1, in the shop as it was seeded."""
    seller = httpx.get(f"{url}/api/catalog/products/1").json()["seller_id"]
    return f"seller{seller}@example.test"


def wrong_with(person, addresses) -> dict[str, object]:
    found = {}
    for address in addresses:
        person.goes_to(address)
        found[f"{person.name}: {address}"] = faults(person.page)
    return {address: one for address, one in found.items() if one}


def test_every_page_can_be_used_by_keyboard_and_by_ear_and_fits(stack, people, seeded_seller):
    person = people("Seller")
    person.logs_in(seeded_seller, "password")
    order = person.page.evaluate("fetch('/api/payments/orders').then((a) => a.json()).then((a) => a.items[0]?.id ?? 1)")
    assert wrong_with(person, [page + QUERIES.get(page, "").format(order=order) for page in PAGES]) == {}


def test_pages_without_anything_on_them_and_pages_for_nobody_can_be_used_as_well(stack, people, email):
    visitor, newcomer = people("Visitor"), people("Newcomer")
    found = wrong_with(visitor, LOGGED_OUT)
    newcomer.signs_up(email())
    assert found | wrong_with(newcomer, EMPTY) == {}


def test_the_first_step_by_keyboard_leads_past_the_head_of_the_page(stack, people):
    visitor = people("Cora Hill")
    visitor.goes_to("/")
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.get_by_role("link", name="Skip to content")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#main")).to_be_focused()


def test_products_are_searched_filtered_sorted_and_found_again_by_their_address(stack, people):
    visitor = people("Cora Hill")
    visitor.goes_to("/")
    page = visitor.page
    page.get_by_label("Search for products").fill("chair")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="“chair”")).to_be_visible()
    page.get_by_label("Sort", exact=True).select_option("Cheapest first")
    page.wait_for_url("**/?q=chair&sort=price")
    expect(page.locator("#products")).not_to_have_attribute("aria-busy", "true")
    titles = page.locator("#products h3").all_inner_texts()
    assert titles
    assert all("chair" in title.lower() for title in titles)
    prices = [float(text.strip("€").replace(",", "")) for text in page.locator("#products .price").all_inner_texts()]
    assert prices == sorted(prices)
    page.reload()
    visitor.sees_it_done()
    assert page.locator("#products h3").all_inner_texts() == titles
    page.go_back()
    expect(page.get_by_label("Sort", exact=True)).to_have_value("newest")


def test_each_document_can_be_browsed_and_its_reads_tried(stack, people, url):
    visitor = people("Cora Hill")
    page = visitor.page
    reading = {"users": "getCsrfToken", "catalog": "listProducts", "payments": "getPaymentConfig"}
    for domain in DOMAINS:
        document = httpx.get(f"{url}/api/{domain}/openapi.json").json()
        paths = document["paths"].values()
        operations = {one["operationId"] for path in paths for method, one in path.items() if method != "parameters"}
        visitor.goes_to(f"/api-docs?domain={domain}")
        assert set(page.locator(".operation").evaluate_all("all => all.map((one) => one.id)")) == operations
        if domain in reading:
            one = page.locator(f"#{reading[domain]}")
            one.get_by_text("Try it").click()
            one.get_by_role("button", name="Send").click()
            expect(one.locator(".try pre")).to_contain_text("200 OK")
