"""People in front of a real browser: what they do on the shop's pages, said as they would say it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.doubles.control import TwilioControl

CHROMIUM = Path("/usr/bin/chromium")
PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1280, height=860)
PASSWORD = "a long password"
PATIENCE_MS = 30_000  # A page that is never right fails no sooner for being looked at briefly.
expect.set_options(timeout=PATIENCE_MS)

# A refusal that a page explains in words is written to the browser's console all the same.
_EXPLAINED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, without a window. Its sandbox does not start for root."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What the browser itself found wrong: errors of scripts, violations of the policy, failed requests."""

    found: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"{page.url}: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _EXPLAINED.match(message.text):
            self.found.append(f"{message.location.get('url')}: {message.text}")


class Person:
    """One person with a browser of their own (cookies, storage), on the shop at `url`."""

    def __init__(
        self, browser: Browser, url: str, name: str, *, small: bool = False, dark: bool = False, scripts: bool = True
    ) -> None:
        self.context = browser.new_context(
            base_url=url, viewport=PHONE if small else DESKTOP, color_scheme="dark" if dark else "light",
            has_touch=small, device_scale_factor=2 if small else 1, locale="en-GB", reduced_motion="reduce",
            java_script_enabled=scripts,
        )  # fmt: skip
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints = Complaints()
        self.complaints.listen(self.page)
        self.name = name

    def goes_to(self, address: str) -> None:
        self.page.goto(address)
        self.sees_it_done()

    def sees_it_done(self) -> None:
        """The page has said what it has to say."""
        expect(self.page.locator("main")).not_to_have_attribute("aria-busy", "true")

    def signs_up(self, email: str) -> None:
        self.goes_to("/signup")
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Open account").click()
        expect(self.page.get_by_role("heading", name=f"Hello, {self.name}")).to_be_visible()

    def logs_in(self, email: str, password: str = PASSWORD) -> None:
        self.goes_to("/login")
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login" not in url)
        self.sees_it_done()

    def verifies_phone(self, phone: str, twilio: TwilioControl) -> None:
        self.goes_to("/account")
        self.page.get_by_label("Phone number").fill(phone)
        self.page.get_by_role("button", name="Send code").click()
        code = self.page.get_by_label("Code")
        expect(code).to_be_focused()
        text = twilio.messages(phone)[-1]["body"]
        code.fill(re.findall(r"\b\d{6}\b", text)[0])
        self.page.get_by_role("button", name="Verify").click()
        expect(self.page.get_by_role("definition").filter(has_text=phone)).to_be_visible()

    def becomes_seller(self) -> None:
        self.page.get_by_role("button", name="Become a seller").click()
        expect(self.page.get_by_text("You are a seller.")).to_be_visible()

    def offers(self, title: str, price: str, stock: int) -> str:
        """Returns the address of the new product."""
        self.goes_to("/sell/product")
        self.page.get_by_label("Title").fill(title)
        self.page.get_by_label("Category").select_option("garden")
        self.page.get_by_label("Description").fill("Made last winter.\n\nIt has never stood in the rain.")
        self.page.get_by_label("Price in euro").fill(price)
        self.page.get_by_label("Pieces in stock").fill(str(stock))
        self.page.get_by_role("button", name="Offer it").click()
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()
        return self.page.url

    def puts_into_cart(self, product: str, quantity: int = 1) -> None:
        self.goes_to(product)
        self.page.get_by_label("Quantity").fill(str(quantity))
        self.page.get_by_role("button", name="Add to cart").click()
        expect(self.page.locator(".said")).to_contain_text("In your cart.")

    def orders(self) -> None:
        """From the cart to the page of the order, or to the one where it is paid."""
        self.goes_to("/cart")
        self.page.get_by_role("link", name="Go to checkout").click()
        self.page.get_by_role("button", name="Order for").click()

    def pays(self, card: str = "Visa 4242: works") -> None:
        self.page.get_by_label("Test card").select_option(card)
        self.page.get_by_role("button", name="Pay €").click()

    def sees_order_paid(self) -> str:
        """Returns the number of the order."""
        expect(self.page.get_by_text("Thank you!")).to_be_visible()
        expect(self.page.locator(".title-row .chip")).to_have_text("Paid")
        return self.page.get_by_role("heading", level=1).inner_text().removeprefix("Order ")

    def leaves(self) -> list[str]:
        """Closes the browser; returns what it complained about."""
        self.context.close()
        return self.complaints.found
