"""One shop that takes money, one browser, for all tests of this folder; a red test keeps pictures as well as logs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.browser.consoles import end_orders, go_on
from tests.browser.operators import Operator
from tests.browser.people import Person, chromium
from tests.doubles.control import MailControl, StripeControl, TwilioControl
from tests.load.moving import Moving
from tests.support.stack import Stack, evidence_folder


@pytest.fixture(scope="package")
def stack(whole_shop: Stack) -> Stack:
    return whole_shop


@pytest.fixture(scope="package")
def url(stack: Stack) -> str:
    return stack.env["FIG_PUBLIC_URL"]


@pytest.fixture(scope="package")
def twilio(stack: Stack) -> TwilioControl:
    return TwilioControl(stack.env["TWILIO_BASE_URL"])


@pytest.fixture(scope="package")
def stripe(stack: Stack) -> StripeControl:
    return StripeControl(stack.env["STRIPE_BASE_URL"])


@pytest.fixture(scope="package")
def mail(stack: Stack) -> MailControl:
    return MailControl(f"http://127.0.0.1:{stack.ports['mail']}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def people(browser: Browser, url: str) -> Iterator[Callable[..., Person]]:
    """`people("Ada")` is somebody with a browser of their own. In the end no browser may have complained."""
    here: list[Person] = []

    def come(name: str = "Ada Fern", **how: bool) -> Person:
        here.append(Person(browser, url, name, **how))
        return here[-1]

    yield come
    assert [complaint for person in here for complaint in person.leaves()] == []


@pytest.fixture(scope="package")
def console(stack: Stack) -> str:
    return stack.env["FIG_CONSOLE_URL"]


@pytest.fixture(scope="package")
def copied(stack: Stack) -> Moving:
    """The catalog, on its way and verified once."""
    moving = Moving(stack, "catalog")
    moving.begin_sync()
    return moving


@pytest.fixture
def catalog(stack: Stack, copied: Moving) -> Moving:
    """In stage sync and owned by the monolith, nothing ordered, nothing frozen: however the test before has ended."""
    go_on(stack)
    end_orders(stack)
    copied.bring_to_sync()
    return copied


@pytest.fixture
def operators(browser, console: str) -> Iterator[Callable[..., Operator]]:
    """`operators("Ada")` is somebody in front of the console. Nobody's browser complains or asks another machine."""
    here: list[Operator] = []

    def come(name: str = "Ada Fern", url: str = console, **how: bool) -> Operator:
        here.append(Operator(browser, url, name, **how))
        return here[-1]

    yield come
    asked = {urlsplit(address).hostname for one in here for address in one.asked}
    assert [complaint for one in here for complaint in one.leaves()] == []
    assert asked <= {"127.0.0.1"}


@pytest.fixture
def email() -> Callable[[], str]:
    return lambda: f"{uuid.uuid4().hex[:12]}@example.test"


@pytest.fixture
def phone() -> Callable[[], str]:
    return lambda: f"+4915{uuid.uuid4().int % 10**9:09d}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.failed and browser:
        folder = evidence_folder(item.nodeid)
        for number, page in enumerate(page for context in browser.contexts for page in context.pages):
            page.screenshot(path=folder / f"page-{number}.png")
        report.sections.append(("evidence", f"pictures: {folder}"))
    return report
