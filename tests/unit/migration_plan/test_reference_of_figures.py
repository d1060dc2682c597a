"""Figures have one naming scheme, and the page of them is whole."""

from __future__ import annotations

import re

import pytest

from migration_plan.reference.figures import LABELS, PLACES, Figure, figures

SCHEME = re.compile(r"fig_(proxy|stream|domain|controller|app)_[a-z][a-z0-9_]*[a-z0-9]")


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.name)
def test_every_figure_follows_the_scheme(figure: Figure) -> None:
    assert SCHEME.fullmatch(figure.name), figure.name
    assert figure.name.endswith("_total") is (figure.kind == "counter")
    assert figure.component in PLACES
    assert set(figure.labels) <= LABELS.keys()
    assert figure.meaning.endswith(".")


def test_no_two_processes_show_figures_of_one_name() -> None:
    names = [figure.name for figure in figures()]
    assert len(set(names)) == len(names)
