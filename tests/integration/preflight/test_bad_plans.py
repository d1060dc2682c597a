"""Plans that cannot be meant are refused before any database is asked, every problem by name."""

from __future__ import annotations

from typing import Any

import pytest

from migration_plan.errors import FigError
from tests.integration.preflight.conftest import Trial

Path_ = tuple[str | int, ...]
ACCOUNT: Path_ = ("tables", 0, "service", "book.account")

CASES: dict[str, tuple[Path_, Any, list[str]]] = {
    "an unknown key": (("colour",), "red", ["colour"]),
    "a limit without unit": (("limits", "hold"), "5", ["limits.hold", "duration"]),
    "a hold that is too short": (("limits", "hold"), "1s", ["hold"]),
    "a stage that cannot follow": (("stages",), ["monolith", "service"], ["service", "cannot follow"]),
    "flags that are not total": (
        (*ACCOUNT, "state"), {"flags": ["closed"], "values": {"false": "open"}}, ["book.account.state", "not total"],
    ),
    "an enum that is not invertible": (
        ("tables", 1, "service", "book.entry", "kind"),
        {"enum": "kind", "values": {"D": "deposit", "W": "deposit", "T": "transfer", "I": "interest"}},
        ["book.entry", "kind"],
    ),
    "an unknown combinator": ((*ACCOUNT, "balance_cents"), {"guess": "balance"}, ["balance_cents"]),
    "a foreign key action": (
        ("crossing", "foreign_keys", "Account_memberId_fkey"), "ignore", ["Account_memberId_fkey"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_plan_that_cannot_be_meant_is_refused_by_name(trial: Trial, case: str):
    path, value, words = CASES[case]

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    with pytest.raises(FigError) as met:
        trial.plan(change)
    for word in ["ledger.yml", *words]:
        assert word in str(met.value)
    assert met.value.exit_code != 0
