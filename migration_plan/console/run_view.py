"""What was ordered last, or what the journal knows of the last switch, as a page shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from migration_plan.console.live import Live
from migration_plan.console.orders import ACTS
from migration_plan.console.runs import Run, Said
from migration_plan.console.switch_steps import Mark, SwitchView, of_journal, view
from migration_plan.entries import Entry


@dataclass(frozen=True)
class RunView:
    """One order or switch. `is_here`: it was ordered at this console."""

    title: str
    who: str
    reason: str
    at: datetime
    is_here: bool
    is_moving: bool
    switch: SwitchView | None
    said: tuple[Said, ...] = ()
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def note(self) -> str:
        """What a switch waits for, while nobody is held."""
        last = self.said[-1].text if self.said else ""
        return last if self.is_moving and last.startswith(("waiting, ", "not yet, ")) else ""


def shown(run: Run | None, entries: Sequence[Entry]) -> RunView | None:
    """The order of this console if it is the newest thing, else the last switch of the journal."""
    known = of_journal(entries)
    if run is not None and (known is None or not run.is_over or run.at >= known[1].at or _is_of(run, known[1])):
        return _of_run(run, entries)
    if known is None:
        return None
    switch, intent = known
    title = f"{intent.detail.get('giver')} → {intent.detail.get('taker')}, epoch {intent.epoch}"
    return RunView(title, intent.actor, intent.reason or "", intent.at, False, not switch.is_over, switch)


def _is_of(run: Run, intent: Entry) -> bool:
    return intent.at >= run.at and run.order.reason == intent.reason


def _of_run(run: Run, entries: Sequence[Entry]) -> RunView:
    order = run.order
    title = ACTS[order.act].title + (f" to {order.to}" if order.to else "")
    return RunView(
        title, order.who, order.reason, run.at, True, not (run.is_over or run.result or run.error),
        _switch_of(run, entries) if order.is_switch else None, tuple(run.said), run.result, run.error,
    )  # fmt: skip


def _switch_of(run: Run, entries: Sequence[Entry]) -> SwitchView:
    """What the worker says comes at once; that it may begin, the journal has first."""
    said = [Mark(one.ms, one.text) for one in run.said]
    begun = [one for one in entries if one.at >= run.at and one.kind == "intent"]
    if begun and said:
        said.insert(0, Mark(said[0].ms, "intent"))
    outcome = "done" if run.result else "aborted" if any(mark.kind == "aborted" for mark in said) else ""
    is_over = run.is_over or run.result or run.error
    return view(said, None if is_over else run.ms, outcome)


def announced(domain: str, run: RunView | None, live: Live) -> str:
    """One sentence for those who do not see the steps light up."""
    if run is None or not run.is_here:
        return "" if live.is_settled else f"A switch of {domain} is under way."
    if run.is_moving:
        return f"{run.title} of {domain} is under way."
    if run.error is not None:
        return f"{run.title} of {domain} was not done: {run.error['message'].splitlines()[0]}"
    waited = run.switch.hold if run.switch else None
    return f"{run.title} of {domain} is done." + (f" Writes waited {waited:.0f} ms." if waited is not None else "")
