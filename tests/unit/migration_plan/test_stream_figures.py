"""The page for operators names every figure and every state that there is, and no other."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

import pytest

from cdc.control import Phase
from migration_plan.streaming.figures import STATES, Asker, StreamCollector, served

PAGE = (Path(__file__).parents[3] / "docs" / "operating-streams.md").read_text()


def test_the_page_names_every_figure() -> None:
    there = {metric.name for metric in StreamCollector([], Asker([], threading.Event())).collect()}
    named = set(re.findall(r"^\| `(fig_stream_\w+)` \|", PAGE, re.MULTILINE))
    assert {name.removesuffix("_total") for name in named} == there


def test_an_address_that_is_taken_stops_no_stream(caplog: pytest.LogCaptureFixture) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, served(f"127.0.0.1:{taken.getsockname()[1]}", [], [], threading.Event()):
        assert taken.fileno() > 0
    assert '"alarm": "figures"' in caplog.text


def test_the_page_names_every_state() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| [^|]* \| [^|]* \|$", PAGE.split("## Figures")[0], re.MULTILINE)
    assert {state for row in rows for state in re.findall(r"`([\w-]+)`", row)} == set(STATES)
    assert {str(phase) for phase in Phase} - {"running"} <= set(STATES)
