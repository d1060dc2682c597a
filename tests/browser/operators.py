"""People in front of the console: a person of the shop's tests who knows its pages, and what axe-core says of one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, ViewportSize, expect

from tests.browser.people import Person
from tests.support.stack import PROJECT

NARROW = ViewportSize(width=360, height=740)
PICTURES = PROJECT / "var" / "report" / "console"
_AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong on the page as it is now: rule, and the first elements."""
    if not page.evaluate("() => 'axe' in window"):
        # As a file, not as the wrapper around it: evaluated by the debugger, so that the page's policy may be strict.
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate(_AXE)
    return [f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}" for one in found]


class Operator(Person):
    """One person with a browser of their own, at the console."""

    def __init__(self, browser: Browser, url: str, name: str, *, small: bool = False, dark: bool = False) -> None:
        super().__init__(browser, url, name, small=small, dark=dark)
        if small:
            self.page.set_viewport_size(NARROW)
        self.asked: list[str] = []
        self.context.on("request", self._asks)

    def _asks(self, request: Request) -> None:
        self.asked.append(request.url)

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
        expect(self.page.get_by_role("heading", name="Exactly these steps")).to_be_visible()
        self.page.get_by_label("Why?").fill(why)
        self.page.get_by_role("button", name=f"{act} to {to}" if to else act, exact=True).click()
        expect(self.page.get_by_role("heading", level=1, name=domain)).to_be_visible()

    def sees_it_end(self, how: str = "done") -> None:
        expect(self.page.locator("#run .run-head .chip")).to_have_text(how)

    def picture(self, name: str, *, whole: bool = True) -> Path:
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole)
        return path
