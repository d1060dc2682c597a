"""Durations are said as a plan writes them."""

from __future__ import annotations

import pytest

from migration_plan.configuration import units


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 s"), (0.05, "0.05 s"), (41.2, "41 s"), (303.4, "303 s"), (3600.0, "1 h"), (5400.0, "90 min"),
     (604800.0, "7 d"), (700.3, "12 min"), (90000.5, "25 h"), (2_000_000.0, "23 d")],
)  # fmt: skip
def test_a_duration_is_said_in_the_unit_that_divides_it_or_else_in_a_coarse_one(seconds: float, said: str):
    assert units.said(seconds) == said
