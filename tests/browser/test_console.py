"""The console on the real stack: who may come in, what they may do, and whether everybody can use its pages."""

from __future__ import annotations

from contextlib import closing

import httpx
from playwright.sync_api import expect

from migration_plan.console.orders import ACTS
from migration_plan.journal import tokens
from migration_plan.journal.access import Role
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Side
from tests.browser.consoles import NOWHERE, another_console, link, tokens_of_all_roles

PAGES = {
    "overview": "/",
    "domain": "/domains/catalog",
    "not-begun": "/domains/notifications",
    "advance": "/domains/catalog/advance",
    "verify": "/domains/catalog/verify",
    "missing": "/domains/nothing",
}
ORDERS = (*ACTS, "take-back")


def test_a_link_lets_in_once_whoever_may_run_fig_and_nothing_is_shown_without(stack, console, operators):
    stranger = operators("Nobody")
    stranger.page.goto("/domains/catalog")
    expect(stranger.page.get_by_role("heading", name="Who is there?")).to_be_visible()
    assert stranger.looks("login") == {}
    answer = httpx.get(f"{console}/domains/catalog/events")
    assert (answer.status_code, answer.headers["location"]) == (302, "/login")

    ada, way = operators("Ada"), link(stack, FIG_ACTOR="ada")
    ada.enters_by(way)
    expect(ada.page.get_by_text("ada", exact=True)).to_be_visible()
    expect(ada.page.get_by_role("img", name="The fig around the monolith")).to_be_visible()
    stranger.page.goto(way)
    stranger.page.get_by_role("button", name="Enter").click()
    expect(stranger.page.get_by_role("alert")).to_contain_text("was used before")
    ada.page.get_by_role("button", name="Log out").click()
    ada.page.goto("/domains/catalog")
    expect(ada.page.get_by_role("heading", name="Who is there?")).to_be_visible()


def forged(operator, console: str, act: str, **form: str) -> int:
    cookies = {one["name"]: one["value"] for one in operator.context.cookies()}
    return httpx.post(f"{console}/domains/catalog/{act}", data=form, cookies=cookies).status_code


def test_a_token_gives_its_role_until_it_is_revoked_and_no_form_works_without_its_page(
    stack, catalog, console, operators
):
    before = catalog.last_entry()
    with tokens_of_all_roles(stack) as known:
        viewer, operator = operators("Vera"), operators("Otto")
        viewer.enters_with(known[Role.VIEWER])
        viewer.page.goto("/domains/catalog")
        expect(viewer.page.get_by_text("You may look.")).to_be_visible()
        assert viewer.page.locator("#acts a, #acts button").count() == 0
        assert viewer.looks("viewer") == {}
        own = viewer.page.locator("input[name=csrf_token]").first.input_value()
        meant = {"csrf_token": own, "reason": "may I?", "stage": "sync", "epoch": "1"}
        assert {act: forged(viewer, console, act, **meant) for act in ORDERS} == dict.fromkeys(ORDERS, 403)
        assert viewer.page.goto("/domains/catalog/rollback").status == 403
        assert viewer.looks("forbidden") == {}

        operator.enters_with(known[Role.OPERATOR])
        operator.page.goto("/domains/catalog")
        expect(operator.page.get_by_role("link", name="Advance to service…")).to_be_visible()
        without = {act: forged(operator, console, act, reason="forged", stage="sync", epoch="1") for act in ORDERS}
        assert without == dict.fromkeys(ORDERS, 400)
        operator.page.goto("/domains/catalog/rollback?to=monolith")
        # What was shown is not what is: somebody has moved it meanwhile.
        operator.page.locator("input[name=epoch]").evaluate("one => { one.value = 0 }")
        operator.page.get_by_label("Why?").fill("an old page")
        operator.page.get_by_role("button", name="Roll back to monolith").click()
        expect(operator.page.get_by_text("has moved since you were shown the steps")).to_be_visible()

        with closing(Journal(stack.env["FIG_JOURNAL_DSN"])) as journal:
            tokens.revoke(journal, "a-operator")
        operator.page.goto("/domains/catalog")
        expect(operator.page.get_by_role("heading", name="Who is there?")).to_be_visible()
        operator.enters_with(known[Role.OPERATOR])
        expect(operator.page.get_by_role("alert")).to_have_text("This is no token of this journal.")
    assert catalog.owner() is Side.MONOLITH
    assert catalog.last_entry() == before


def test_every_page_is_usable_by_keyboard_by_ear_on_a_phone_and_in_the_dark(stack, catalog, operators):
    ada, found = operators("Ada"), {}
    ada.enters(stack)
    for name, address in PAGES.items():
        ada.page.goto(address)
        found[name] = ada.looks(name)
    ada.page.get_by_role("link", name="Overview").click()
    ada.page.goto("/domains/catalog/verify")
    ada.page.get_by_label("Why?").fill(" ")
    ada.page.get_by_role("button", name="Verify").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("Say why")
    found["no reason"] = ada.looks("no-reason")
    assert {name: one for name, one in found.items() if one} == {}


def test_without_the_journal_nobody_comes_in_and_the_page_says_why(stack, operators, tmp_path):
    with another_console(stack, tmp_path, {}, {"FIG_JOURNAL_DSN": NOWHERE}) as url:
        ada = operators("Ada", url)
        ada.enters_with("fig_ada_" + 43 * "x")
        expect(ada.page.get_by_role("heading", name="That did not work")).to_be_visible()
        assert ada.looks("journal-away") == {}
        ada.complaints.found = [one for one in ada.complaints.found if "status of 503" not in one]
