"""Acts of the console on the real stack: shown before, ordered with a reason, seen while they happen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from migration_plan.lifecycle import Side, Stage
from tests.browser.consoles import (
    NOWHERE,
    always_somebody_writing,
    another_console,
    found_in_shadow,
    is_refused_after_ten_guesses,
    kill_worker,
    somebody_has_read,
)
from tests.support.waiting import wait_until


def test_a_domain_is_advanced_and_brought_back_by_the_keyboard_alone(stack, catalog, operators):
    ada = operators("Ada")
    ada.enters(stack)
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
    ada.sees_in_journal("the service is ready", "intent")
    assert ada.looks("switched") == {}
    page.goto("/")
    assert ada.looks("overview-one-moved") == {}
    ada.does("catalog", "Roll back", "only trying", to="sync")
    ada.sees_it_end()
    assert catalog.owner() is Side.MONOLITH


def test_a_switch_is_seen_as_it_happens_and_ends_without_anybody_looking(stack, catalog, operators, tmp_path):
    limits = {"drain": "30s", "hold": "40s"}
    with another_console(stack, tmp_path, {"limits": limits}) as url:
        ada = operators("Ada", url)
        ada.enters(stack)
        page = ada.page
        with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
            ada.does("catalog", "Advance", "seen live", to="service")
            # Somebody's transaction is in the way: nobody is held.
            expect(page.locator("#run .notice")).to_contain_text("nobody is held")
            expect(page.locator("#run")).to_contain_text("Nobody waits yet.")
            # Who has their finger on the way back sees the steps all the same.
            page.get_by_role("button", name="Take it back").focus()
            # A hold that lasts: nobody applies the marker, and nobody takes over from who waits for it.
            stack.stop("streams")
            stack.stop("controller")
        try:
            expect(page.locator(".steps .now")).to_contain_text("drain")
            expect(page.locator(".steps .done")).to_have_count(4)
            expect(page.locator("#announce")).to_contain_text("step 5 of 10, drain")
            expect(page.get_by_role("button", name="Take it back")).to_be_focused()
            # Written in milliseconds at first, in seconds from the first one on.
            expect(page.locator(".clock")).to_have_text(re.compile(r"^[2-9](\.\d)? s$|^\d\d+ s$"))
            assert ada.looks("switch-held") == {}
            page.goto("about:blank")
        finally:
            stack.cont("streams")
            stack.cont("controller")
        catalog.wait_until_settled()
        assert catalog.owner() is Side.SERVICE
        page.goto("/domains/catalog")
        ada.sees_it_end()
        expect(page.locator(".steps .done")).to_have_count(10)
        page.goto("about:blank")
    catalog.give_to(Side.MONOLITH)


def test_a_switch_that_waits_is_taken_back_and_one_whose_console_dies_is_left_to_the_controller(
    stack, catalog, operators
):
    ada = operators("Ada")
    ada.enters(stack)
    page = ada.page
    with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
        ada.does("catalog", "Advance", "not yet", to="service")
        expect(page.locator("#run .notice")).to_contain_text("nobody is held")
        page.get_by_role("button", name="Take it back").click()
        ada.sees_it_end("not done")
        ada.sees_in_journal("not yet", "aborted")
        assert ada.looks("taken-back") == {}
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


def test_without_javascript_a_switch_that_nobody_finishes_is_resumed_by_plain_forms(stack, catalog, operators):
    ada = operators("Ada", scripts=False)
    ada.enters(stack)
    page = ada.page
    stack.stop("controller")
    try:
        with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
            ada.does("catalog", "Advance", "dies in it", to="service")
            ada.looks_again_until(lambda: page.locator("#run .notice").count() == 1)
            kill_worker(stack)
        ada.looks_again_until(lambda: page.get_by_role("link", name="Resume…").count() == 1)
        expect(page.locator("#figures .notice")).to_contain_text("left unfinished")
        ada.picture("left-unfinished")
        ada.does("catalog", "Resume", "nobody else will")
        ada.looks_again_until(lambda: page.locator("#run .run-head .chip").inner_text() == "done")
        ada.sees_in_journal("nobody else will", "recovered")
    finally:
        stack.cont("controller")
    catalog.wait_until_settled()
    assert catalog.owner() is Side.MONOLITH


def test_differences_stand_side_by_side_and_a_canary_is_frozen_thawed_and_brought_back(
    stack, catalog, operators, tmp_path
):
    changes = {"stages": [str(stage) for stage in Stage], "shadow": {"comparisons": 100, "mismatches": "5%"}}
    with another_console(stack, tmp_path, changes, {"FIG_USERS_DSN": NOWHERE}) as url:
        ada = operators("Ada", url)
        ada.enters(stack)
        page = ada.page
        # What is away is said; the rest is shown and goes on.
        expect(page.locator("#cards article").filter(has_text="catalog")).to_contain_text("Verified")
        assert ada.looks("overview-half-dead") == {}
        page.goto("/domains/users")
        expect(page.locator("#gates")).to_contain_text("does not answer")
        assert ada.looks("domain-half-dead") == {}
        ada.does("catalog", "Advance", "to compare", to="shadow")
        ada.sees_it_end()
        # Nothing was compared yet: the gate is shut, says why, and there is no button to press.
        page.goto("/domains/catalog/advance")
        expect(page.get_by_role("heading", name="Against it")).to_be_visible()
        assert page.get_by_label("Why?").count() == 0
        assert ada.looks("refused") == {}
        found_in_shadow(stack)
        page.goto("/domains/catalog")
        one = page.locator(".difference").filter(has_text="price")
        expect(one.locator("dd").nth(0)).to_have_text('"24.50"')
        expect(one.locator("dd").nth(1)).to_have_text('"24.5"')
        assert ada.looks("shadow") == {}
        ada.does("catalog", "Advance", "few enough", to="canary")
        ada.sees_it_end()
        ada.does("catalog", "Freeze", "a holiday")
        ada.sees_it_end()
        expect(page.locator("#gates")).to_contain_text("frozen")
        ada.sees_in_journal("a holiday", "event=freeze")
        assert ada.looks("canary-frozen") == {}
        ada.does("catalog", "Thaw", "back at work")
        ada.sees_it_end()
        expect(page.locator("#gates")).not_to_contain_text("frozen")
        ada.sees_in_journal("back at work", "event=thaw")
        ada.does("catalog", "Roll back", "enough seen", to="sync")
        ada.sees_it_end()
        ada.does("catalog", "Verify", "to be sure")
        ada.sees_it_end()
        ada.sees_in_journal("to be sure", "verified")
        page.goto("about:blank")
        is_refused_after_ten_guesses(url)
    assert catalog.owner() is Side.MONOLITH


def test_a_schema_that_fits_is_accepted(stack, catalog, operators):
    """There is a button for it only while a stream waits for it; its page is there always."""
    ada = operators("Ada")
    ada.enters(stack)
    ada.page.goto("/domains/catalog/accept")
    ada.confirms("catalog", "Accept the schema", "the column is mapped")
    ada.sees_it_end()
    ada.sees_in_journal("the column is mapped", "schema-accepted")
    assert catalog.differences() == 0


def test_a_rehearsal_whose_process_dies_says_so_and_can_be_begun_again_and_stopped(stack, catalog, operators):
    ada = operators("Ada")
    ada.enters(stack)
    page, place = ada.page, stack.state.with_name("rehearsal")
    ada.does("catalog", "Rehearse", "before we move")
    expect(page.locator("#run .said")).to_contain_text("servers")
    kill_worker(stack)
    ada.sees_it_end("not done")
    expect(page.locator("#run .problem")).to_contain_text("has died; nothing live was touched")
    assert ada.looks("rehearsal-died") == {}
    ada.does("catalog", "Rehearse", "once more")
    expect(page.locator("#run .said")).to_contain_text("servers")
    page.get_by_role("button", name="Stop it").click()
    ada.sees_it_end("not done")
    expect(page.locator("#run .problem")).to_contain_text("its copies are gone")
    wait_until(lambda: not place.exists(), 30, f"{place} cleared away")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_rehearsal_is_ordered_followed_and_reported(stack, catalog, operators):
    ada = operators("Ada")
    ada.enters(stack)
    somebody_has_read(stack)
    ada.does("catalog", "Rehearse", "before we move")
    expect(ada.page.locator("#run .run-head .chip")).not_to_have_text("under way", timeout=600_000)
    ada.sees_it_end()
    expect(ada.page.locator("#run")).to_contain_text("hold")
    ada.sees_in_journal("before we move", "rehearsed")
    assert ada.looks("rehearsed") == {}
