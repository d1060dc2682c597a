"""The console on the real stack: who may come in, what they may do, and whether everybody can use its pages."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import httpx
from playwright.sync_api import expect

from migration_plan import tokens
from migration_plan.access import Role
from migration_plan.journal import Journal
from migration_plan.lifecycle import Side
from tests.browser.consoles import link, tokens_of_all_roles
from tests.browser.operators import violations
from tests.browser.test_pages import DOUBLE_IDS, MISSING_TARGETS, TOO_WIDE, UNLABELLED

PAGES = ("/", "/domains/catalog", "/domains/catalog/advance")


def test_a_link_lets_in_once_whoever_may_run_fig_and_nothing_is_shown_without(stack, console, operators):
    stranger = operators("Nobody")
    stranger.page.goto("/domains/catalog")
    expect(stranger.page.get_by_role("heading", name="Who is there?")).to_be_visible()
    assert violations(stranger.page) == []
    stranger.picture("login")
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


def test_a_token_gives_its_role_until_it_is_revoked_and_no_form_works_without_its_page(
    stack, catalog, console, operators
):
    with tokens_of_all_roles(stack) as known:
        viewer, operator = operators("Vera"), operators("Otto")
        viewer.enters_with(known[Role.VIEWER])
        viewer.page.goto("/domains/catalog")
        expect(viewer.page.get_by_text("You may look.")).to_be_visible()
        assert viewer.page.locator("#acts a, #acts button").count() == 0
        viewer.picture("viewer")
        assert viewer.page.goto("/domains/catalog/rollback").status == 403

        operator.enters_with(known[Role.OPERATOR])
        operator.page.goto("/domains/catalog")
        expect(operator.page.get_by_role("link", name="Advance to service…")).to_be_visible()
        operator.page.goto("/domains/catalog/rollback?to=monolith")
        cookies = {one["name"]: one["value"] for one in operator.context.cookies()}
        form = {"reason": "forged", "stage": "sync", "epoch": "1", "to": "monolith"}
        forged = httpx.post(f"{console}/domains/catalog/rollback", data=form, cookies=cookies)
        assert forged.status_code == 400
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


def test_every_page_is_usable_by_keyboard_by_ear_on_a_phone_and_in_the_dark(stack, catalog, operators):
    found: dict[str, Any] = {}
    for kind, pages in {"": (*PAGES, "/domains/catalog/verify", "/nothing"), "small": PAGES, "dark": PAGES}.items():
        ada = operators("Ada", **({kind: True} if kind else {}))
        ada.enters_by(link(stack))
        page = ada.page
        for address in pages:
            page.goto(address)
            found[f"{address} {kind}"] = [
                page.locator("script:not([src]), style, [style], [onclick]").count(), page.evaluate(TOO_WIDE),
                page.evaluate(UNLABELLED), page.evaluate(DOUBLE_IDS), page.evaluate(MISSING_TARGETS), violations(page),
            ]  # fmt: skip
            ada.picture("-".join((address.strip("/").replace("/", "-") or "overview", *kind.split())))
    assert {address: one for address, one in found.items() if any(one)} == {}
