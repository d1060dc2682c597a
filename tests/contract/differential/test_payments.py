"""The payments service answers, charges, gives back and writes as the monolith does, whatever it is asked."""

from __future__ import annotations

import os

from tests.contract.differential.explore import Pair, explore

EXAMPLES = 400 if os.environ.get("FIG_PROOF") == "full" else 5


def test_payments_behave_the_same_on_both_sides(payments: Pair) -> None:
    explored = explore(payments, EXAMPLES)
    assert explored.statuses >= {200, 201, 204, 400, 403, 404, 409}, explored
    assert explored.requests > 14 * EXAMPLES
