"""The notifications service answers, sends and writes as the monolith does, whatever it is asked and told."""

from __future__ import annotations

import os

from tests.contract.differential.explore import Pair, explore

EXAMPLES = 300 if os.environ.get("FIG_PROOF") == "full" else 3


def test_notifications_behave_the_same_on_both_sides(notifications: Pair) -> None:
    explored = explore(notifications, EXAMPLES)
    assert explored.statuses >= {200, 403, 404}, explored
    assert explored.requests > 14 * EXAMPLES
