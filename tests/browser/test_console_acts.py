"""Acts of the console on the real stack: shown before, ordered with a reason, seen while they happen."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from migration_plan.lifecycle import Side, Stage
from tests.browser.consoles import (
    always_somebody_writing,
    another_console,
    found_in_shadow,
    is_refused_after_ten_guesses,
    link,
)
from tests.browser.operators import violations


def test_a_domain_is_advanced_and_brought_back_by_the_keyboard_alone(stack, catalog, operators):
    ada = operators("Ada")
    ada.enters_by(link(stack))
    page = ada.page

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.textContent.trim()") == name:
                return
        raise AssertionError(f"no way to {name!r} by the keyboard")

    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    for name, address in {"catalog": "**/catalog", "Advance to service…": "**/advance?*"}.items():
        tab_to(name)
        page.keyboard.press("Enter")
        page.wait_for_url(address)
    # What would be done is shown, and nothing is.
    expect(page.get_by_role("heading", name="Exactly these steps")).to_be_visible()
    expect(page.locator(".plan li")).to_have_count(11)
    assert catalog.owner() is Side.MONOLITH
    while page.evaluate("() => document.activeElement.id") != "reason":
        page.keyboard.press("Tab")
    page.keyboard.type("the service is ready")
    page.keyboard.press("Enter")
    ada.sees_it_end()
    expect(page.locator(".steps .done")).to_have_count(10)
    expect(page.locator("#announce")).to_contain_text("Writes waited")
    assert catalog.owner() is Side.SERVICE
    expect(page.locator("#timeline li").filter(has_text="the service is ready").first).to_be_visible()
    ada.picture("switched")
    page.goto("/")
    ada.picture("overview-one-moved")
    ada.does("catalog", "Roll back", "only trying", to="sync")
    ada.sees_it_end()
    assert catalog.owner() is Side.MONOLITH


def test_a_switch_is_seen_as_it_happens_and_ends_without_anybody_looking(stack, catalog, operators, tmp_path):
    limits = {"drain": "30s", "hold": "40s"}
    with another_console(stack, tmp_path, {"limits": limits}) as url:
        environment = {"FIG_CONSOLE_URL": url}
        ada = operators("Ada", url)
        ada.enters_by(link(stack, **environment))
        page = ada.page
        with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
            ada.does("catalog", "Advance", "seen live", to="service")
            # Somebody's transaction is in the way: nobody is held.
            expect(page.locator("#run .notice")).to_contain_text("nobody is held")
            expect(page.locator("#run")).to_contain_text("Nobody waits yet.")
            # A hold that lasts: nobody applies the marker, and nobody takes over from who waits for it.
            stack.stop("streams")
            stack.stop("controller")
        try:
            expect(page.locator(".steps .now")).to_contain_text("drain")
            expect(page.locator(".steps .done")).to_have_count(4)
            # Written in milliseconds at first, in seconds from the first one on.
            expect(page.locator(".clock")).to_have_text(re.compile(r"^[2-9](\.\d)? s$|^\d\d+ s$"))
            ada.picture("switch-held")
            assert violations(page) == []
            page.goto("about:blank")
        finally:
            stack.cont("streams")
            stack.cont("controller")
        catalog.wait_until_settled()
        assert catalog.owner() is Side.SERVICE
        ben = operators("Ben", url, small=True)
        ben.enters_by(link(stack, **environment))
        ben.page.goto("/domains/catalog")
        ben.sees_it_end()
        expect(ben.page.locator(".steps .done")).to_have_count(10)
        ben.picture("switched-small")
        ben.page.goto("about:blank")
    catalog.give_to(Side.MONOLITH)


def test_a_console_that_dies_in_a_switch_leaves_it_to_the_controller(stack, catalog, operators):
    ada = operators("Ada")
    ada.enters_by(link(stack))
    page = ada.page
    with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
        ada.does("catalog", "Advance", "dies in it", to="service")
        expect(page.locator("#run .notice")).to_contain_text("nobody is held")
        page.goto("about:blank")
        former = stack.kill("console")
    stack.wait_until_back("console", former)
    catalog.wait_until_settled()
    assert catalog.owner() is Side.MONOLITH
    page.goto("/domains/catalog")
    expect(page.locator("#run .run-head .chip")).to_have_text("taken back by a controller")
    expect(page.get_by_role("link", name="Advance to service…")).to_be_visible()
    ada.picture("recovered")


def test_differences_stand_side_by_side_and_a_canary_is_frozen_and_brought_back(stack, catalog, operators, tmp_path):
    changes = {"stages": [str(stage) for stage in Stage], "shadow": {"comparisons": 100, "mismatches": "5%"}}
    with another_console(stack, tmp_path, changes) as url:
        ada = operators("Ada", url)
        ada.enters_by(link(stack, FIG_CONSOLE_URL=url))
        page = ada.page
        ada.does("catalog", "Advance", "to compare", to="shadow")
        ada.sees_it_end()
        # Nothing was compared yet: the gate is shut, says why, and there is no button to press.
        page.goto("/domains/catalog/advance")
        expect(page.get_by_role("heading", name="Against it")).to_be_visible()
        assert page.get_by_label("Why?").count() == 0
        assert violations(page) == []
        ada.picture("refused")
        found_in_shadow(stack)
        page.goto("/domains/catalog")
        one = page.locator(".difference").filter(has_text="price")
        expect(one.locator("dd").nth(0)).to_have_text('"24.50"')
        expect(one.locator("dd").nth(1)).to_have_text('"24.5"')
        assert violations(page) == []
        ada.picture("shadow")
        ada.does("catalog", "Advance", "few enough", to="canary")
        ada.sees_it_end()
        ada.does("catalog", "Freeze", "a holiday")
        ada.sees_it_end()
        expect(page.locator("#gates")).to_contain_text("frozen")
        frozen = page.locator("#timeline li").filter(has_text="a holiday")
        expect(frozen).to_contain_text("event=freeze")
        ada.picture("canary-frozen")
        ada.does("catalog", "Roll back", "enough seen", to="sync")
        ada.sees_it_end()
        page.goto("about:blank")
        is_refused_after_ten_guesses(url)
    assert catalog.owner() is Side.MONOLITH
