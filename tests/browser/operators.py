"""People in front of the console: a person of the shop's tests who knows its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Request, expect

from migration_plan.console.entry import Tickets
from tests.browser.looking import NARROW, faults, keep
from tests.browser.people import Person
from tests.support.stack import PROJECT, Stack
from tests.support.waiting import wait_until

PICTURES = PROJECT / "var" / "report" / "console"


class Operator(Person):
    """One person with a browser of their own, at the console."""

    def __init__(
        self, browser: Browser, url: str, name: str, *, small: bool = False, dark: bool = False, scripts: bool = True
    ) -> None:
        super().__init__(browser, url, name, small=small, dark=dark, scripts=scripts)
        if small:
            self.page.set_viewport_size(NARROW)
        self.asked: list[str] = []
        self.context.on("request", self._asks)

    def _asks(self, request: Request) -> None:
        self.asked.append(request.url)

    def enters(self, stack: Stack, who: str = "ada") -> None:
        """By a ticket as `fig console link` makes them, without starting a program for each."""
        self.enters_by(f"/login?ticket={Tickets(stack.env['FIG_CONSOLE_KEY']).make('', who)}")

    def enters_by(self, link: str) -> None:
        self.page.goto(link)
        self.page.get_by_role("button", name="Enter").click()
        expect(self.page.get_by_role("heading", level=1, name="Where the domains are")).to_be_visible()

    def enters_with(self, token: str) -> None:
        self.page.goto("/login")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def does(self, domain: str, act: str, why: str, to: str = "") -> None:
        """From the domain's page through what would be done to having ordered it."""
        self.page.goto(f"/domains/{domain}")
        label = f"{act} to {to}…" if to else f"{act}…"
        self.page.get_by_role("link", name=label, exact=True).click()
        self.confirms(domain, f"{act} to {to}" if to else act, why)

    def confirms(self, domain: str, button: str, why: str) -> None:
        """On the page of what would be done."""
        expect(self.page.get_by_role("heading", name="Exactly these steps")).to_be_visible()
        self.page.get_by_label("Why?").fill(why)
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.page.get_by_role("heading", level=1, name=domain)).to_be_visible()

    def sees_it_end(self, how: str = "done") -> None:
        expect(self.page.locator("#run .run-head .chip")).to_have_text(how)

    def looks_again_until(self, condition: Callable[[], bool]) -> None:
        """Without scripts a page is loaded again to see more."""
        wait_until(lambda: self.page.reload() is not None and condition(), 60, "the page to say so", every=0.1)

    def sees_in_journal(self, why: str, kind: str = "") -> None:
        """Who did it and why stand in the same line."""
        lines = self.page.locator("#timeline li").filter(has_text=kind) if kind else self.page.locator("#timeline li")
        expect(lines.filter(has_text=f"“{why}”").filter(has_text="ada").first).to_be_visible()

    def picture(self, name: str) -> None:
        keep(self.page, PICTURES / f"{name}.png")

    def looks(self, name: str) -> dict[str, Any]:
        """What is wrong with the page as it stands; a picture of it is kept under this name."""
        return faults(self.page, PICTURES / f"{name}.png")
