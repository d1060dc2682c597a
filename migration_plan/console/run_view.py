"""What was ordered last, or what the journal knows of the last switch, as a page shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from migration_plan.console.live import Live
from migration_plan.console.orders import ACTS
from migration_plan.console.runs import DIED, Run, Said
from migration_plan.console.switch_steps import Mark, State, SwitchView, of_journal, view
from migration_plan.journal.entries import Entry

ENDS_BY = {"rehearse": "Stop it; the copies are cleared away"}
_SHOWN_ELSEWHERE = {"domain", "text", "good", "problems", "next_steps"}


@dataclass(frozen=True)
class RunView:
    """One order or switch. `is_here`: it was ordered at this console. `act`: its name, or empty."""

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
    act: str = ""

    @property
    def verdict(self) -> tuple[str, str]:
        """How it stands, and how that is to be taken: good, bad, or plain."""
        outcome, result = self.switch.outcome if self.switch else "", self.result or {}
        if self.is_moving:
            return "under way", "plain"
        if self.error or outcome == "aborted":
            return "not done", "bad"
        if outcome in ("finished", "taken back"):
            return f"{outcome} by a controller", "plain"
        if result.get("good") is False:
            return "not good", "bad"
        return ("rows differ", "bad") if result.get("differences") else ("done", "good")

    @property
    def ends_by(self) -> str:
        """What the button says that takes it back; empty: there is nothing to be taken back."""
        if not (self.is_here and self.is_moving):
            return ""
        return "Take it back, if it is not decided yet" if self.switch else ENDS_BY.get(self.act, "")

    @property
    def now(self) -> str:
        """What it is doing, in a few words; empty: nothing is known of it."""
        if self.switch is not None:
            for number, step in enumerate(self.switch.steps, 1):
                if step.state is State.NOW:
                    return f"step {number} of {len(self.switch.steps)}, {step.name}"
        # What is said of parts is indented.
        return next((one.text for one in reversed(self.said) if not one.text.startswith(" ")), "")

    @property
    def note(self) -> str:
        """What a switch waits for, while nobody is held."""
        last = self.said[-1].text if self.said else ""
        return last if self.is_moving and last.startswith(("waiting, ", "not yet, ")) else ""

    @property
    def facts(self) -> dict[str, str]:
        """What came of an act that is no switch, by name; what is empty or nested is left out."""
        return {} if self.switch else dict(_facts(self.result or {}))


def _facts(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in result.items():
        said = ", ".join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
        if name not in _SHOWN_ELSEWHERE and not isinstance(said, bool | list | dict | None) and said != "":
            yield name.replace("_", " "), f"{said:g}" if isinstance(said, float) else str(said)


def shown(run: Run | None, entries: Sequence[Entry]) -> RunView | None:
    """The order of this console if it is the newest thing, else the last switch of the journal."""
    known = of_journal(entries)
    if run is not None and (known is None or _is_newest(run, known[1])):
        return _of_run(run, entries)
    if known is None:
        return None
    switch, intent = known
    title = f"{intent.detail.get('giver')} → {intent.detail.get('taker')}, epoch {intent.epoch}"
    return RunView(title, intent.actor, intent.reason or "", intent.at, False, not switch.is_over, switch)


def _is_newest(run: Run, intent: Entry) -> bool:
    if run.order.is_switch and intent.at >= run.at and run.order.reason == intent.reason:
        # It is this run's own; once its process has died, only the journal knows how it goes on.
        return run.error is None or run.error["error"] != DIED
    return not run.is_over or run.at >= intent.at


def _of_run(run: Run, entries: Sequence[Entry]) -> RunView:
    order = run.order
    title = ACTS[order.act].title + (f" to {order.to}" if order.to else "")
    return RunView(
        title, order.who, order.reason, run.at, True, not (run.is_over or run.result or run.error),
        _switch_of(run, entries) if order.is_switch else None, tuple(run.said), run.result, run.error, order.act,
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
        return f"{run.title} of {domain} is under way" + (f": {run.now}." if run.now else ".")
    if run.error is not None:
        return f"{run.title} of {domain} was not done: {run.error['message'].splitlines()[0]}"
    waited = run.switch.hold if run.switch else None
    return f"{run.title} of {domain} is done." + (f" Writes waited {waited:.0f} ms." if waited is not None else "")
