"""The catalog service answers and writes as the monolith does, whatever it is asked."""

from __future__ import annotations

import os

from tests.contract.differential.explore import Pair, explore

EXAMPLES = 2000 if os.environ.get("FIG_PROOF") == "full" else 16


def test_the_catalog_behaves_the_same_on_both_sides(catalog: Pair) -> None:
    explored = explore(catalog, EXAMPLES)
    assert explored.statuses >= {200, 201, 401, 403, 404, 409, 412, 422}, explored
    assert explored.requests > 4 * EXAMPLES
