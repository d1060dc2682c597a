"""python -m tests.browser.pictures URL TWILIO FOLDER: every page of a seeded shop, on a desktop and on a phone."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from tests.browser.people import Person, chromium
from tests.doubles.control import TwilioControl

LOGGED_IN = (
    "/",
    "/?q=chair&sort=price",
    "/cart",
    "/checkout",
    "/orders",
    "/account",
    "/sell",
    "/sell/product",
    "/sales",
    "/messages",
)
LOGGED_OUT = (
    "/login",
    "/signup",
    "/?q=nothing-like-this",
    "/api-docs?domain=catalog",
    "/product?id=7",
    "/product?id=999999999",
)


def name(address: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in address).strip("-") or "home"


def take(person: Person, folder: Path, kind: str, title: str) -> None:
    person.page.wait_for_timeout(250)
    person.page.screenshot(path=folder / f"{title}.{kind}.png", full_page=kind != "phone" or title != "home")


def main(url: str, twilio: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for kind in ("desktop", "phone", "dark"):
            person = Person(browser, url, "Ada Fern", small=kind != "desktop", dark=kind == "dark")
            for address in LOGGED_OUT:
                person.goes_to(address)
                take(person, folder, kind, name(address))
            person.signs_up(f"ada-{uuid.uuid4().hex[:8]}@example.test")
            take(person, folder, kind, "welcome")
            person.verifies_phone(f"+4915{uuid.uuid4().int % 10**9:09d}", TwilioControl(twilio))
            person.becomes_seller()
            own = person.offers("Old wooden chair", "24.50", 3)
            take(person, folder, kind, "own-product")
            for product in (5, 11, 29):
                person.goes_to(f"/product?id={product}")
                if person.page.get_by_role("button", name="Add to cart").count():
                    person.puts_into_cart(f"/product?id={product}", 2)
            for address in LOGGED_IN:
                person.goes_to(address)
                take(person, folder, kind, name(address))
            person.goes_to(own.replace("/product?", "/sell/product?"))
            take(person, folder, kind, "edit")
            person.orders()
            person.page.get_by_label("Test card").wait_for()
            take(person, folder, kind, "pay")
            person.pays("Visa 0002: declined")
            person.page.get_by_role("alert").filter(has_text="declined").wait_for()
            take(person, folder, kind, "declined")
            person.pays()
            person.sees_order_paid()
            take(person, folder, kind, "order")
            person.goes_to("/orders")
            take(person, folder, kind, "orders-one")
            for complaint in person.leaves():
                print(kind, complaint)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
