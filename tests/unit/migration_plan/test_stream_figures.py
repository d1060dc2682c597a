"""The page for operators names every figure and every state that there is, and no other."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from cdc.control import Phase
from migration_plan.figures import STATES, Asker, StreamCollector

PAGE = (Path(__file__).parents[3] / "docs" / "operating-streams.md").read_text()


def test_the_page_names_every_figure() -> None:
    there = {metric.name for metric in StreamCollector([], Asker([], threading.Event())).collect()}
    named = set(re.findall(r"^\| `(fig_stream_\w+)` \|", PAGE, re.MULTILINE))
    assert {name.removesuffix("_total") for name in named} == there


def test_the_page_names_every_state() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| [^|]* \| [^|]* \|$", PAGE.split("## Figures")[0], re.MULTILINE)
    assert {state for row in rows for state in re.findall(r"`([\w-]+)`", row)} == set(STATES)
    assert {str(phase) for phase in Phase} - {"running"} <= set(STATES)
