"""Figures say what happened: exact where the report is, cheap where only the terminal is."""

from __future__ import annotations

import pytest

from tests.load.figures import Figures, Histogram, Sample, percentile, slowdown


def sample(started: float, seconds: float, touches: bool = False, failed: bool = False) -> Sample:
    return Sample("catalog" if touches else "users", started, seconds, failed, touches)


def test_percentiles_are_nearest_rank() -> None:
    values = [float(v) for v in range(1, 201)]
    assert [percentile(values, p) for p in (50, 99, 100)] == [100.0, 198.0, 200.0]
    assert percentile([3.0], 99) == 3.0
    assert percentile([], 99) == 0.0


def test_a_histogram_bounds_its_quantiles() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.004, 0.03, 99.0):
        histogram.add(seconds)
    assert histogram.quantile(0.5) == 0.005
    assert histogram.quantile(0.75) == 0.05
    assert histogram.quantile(1.0) == float("inf")
    assert Histogram().quantile(0.99) == 0.0


def test_totals_count_every_request_and_failure_once() -> None:
    figures = Figures()
    figures.add([sample(0, 0.1), sample(1, 0.1, failed=True)])
    figures.add([sample(2, 0.1, touches=True)])
    assert (figures.requests, figures.failures, sorted(figures.by_domain)) == (3, 1, ["catalog", "users"])


def test_a_slowdown_compares_only_what_the_moving_domain_does_not_touch() -> None:
    calm = [sample(t, 0.01) for t in range(0, 10)]
    slow = [sample(20.1, 0.03), sample(20.2, 0.02)]
    held = [sample(20.1, 5.0, touches=True)]
    ratio, inside = slowdown([*calm, *slow, *held], [(20.0, 21.0)])
    assert ratio == pytest.approx(3.0)
    assert inside == 2


def test_a_request_that_only_reaches_into_a_switch_counts_as_inside() -> None:
    ratio, inside = slowdown([sample(0, 0.01), sample(19.9, 0.2)], [(20.0, 21.0)])
    assert ratio == pytest.approx(20.0)
    assert inside == 1


def test_without_samples_there_is_no_ratio() -> None:
    assert slowdown([], [(0.0, 1.0)]) == (0.0, 0)
