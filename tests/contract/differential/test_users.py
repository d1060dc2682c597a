"""The users service answers and writes as the monolith does, whatever it is asked."""

from __future__ import annotations

import os

from tests.contract.differential.explore import Pair, explore

EXAMPLES = 500 if os.environ.get("FIG_PROOF") == "full" else 7


def test_users_behave_the_same_on_both_sides(users: Pair) -> None:
    explored = explore(users, EXAMPLES)
    assert explored.statuses >= {200, 201, 202, 204, 401, 403, 409, 422}, explored
