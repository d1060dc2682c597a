"""The ten steps of a switch as a page shows them: what is done, what is under way, and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from migration_plan.journal.entries import Entry
from migration_plan.recovering.recovery import Case


class State(StrEnum):
    """Of one step."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"
    NEVER = "never"
    """The switch was taken back before it."""


@dataclass(frozen=True)
class Mark:
    """Something that was said or journaled, so many milliseconds after a beginning."""

    ms: float
    kind: str


@dataclass(frozen=True)
class StepView:
    """One step. `after`: milliseconds since the first mark; None: not done."""

    name: str
    what: str
    state: State
    after: float | None = None


@dataclass(frozen=True)
class SwitchView:
    """A whole switch. `hold`: for how long writes have waited, in ms; None: they have not, yet."""

    steps: tuple[StepView, ...]
    is_over: bool
    outcome: str
    """done, aborted, or as a controller that came later has ended it: finished, taken back. Empty: not over."""
    hold: float | None
    is_held: bool


# Name, the kind that says it is done, what it is.
TEN = (
    ("preflight", "allowed", "all that can be refused is refused, before anyone waits"),
    ("intent", "intent", "what is meant stands in the journal"),
    ("hold", "held", "every proxy holds the domain's writes"),
    ("fence", "fenced", "the owner's database refuses writes; a marker goes into its log"),
    ("drain", "drained", "the other side has applied everything up to the marker"),
    ("release", "released", "the owner lets go: here it is decided"),
    ("grant", "granted", "the other side owns"),
    ("route", "routed", "every proxy sends requests there; the hold is over"),
    ("reverse", "reversed", "rows flow back"),
    ("done", "done", "the journal has it"),
)
OUTCOMES = ("done", "aborted", "recovered")
FINISHED = ("done", "finished")


def view(marks: Sequence[Mark], now: float | None, outcome: str = "") -> SwitchView:
    """`now`: ms on the marks' clock while it is under way; None: it is over."""
    last = {mark.kind: mark.ms for mark in marks}
    first = marks[0].ms if marks else 0.0
    reached = max((number for number, (_, kind, _) in enumerate(TEN) if kind in last), default=-1)
    steps = []
    for number, (name, kind, what) in enumerate(TEN):
        if number <= reached:
            steps.append(StepView(name, what, State.DONE, last[kind] - first if kind in last else None))
        elif now is None:
            # A controller that recovers does the rest itself, and says so in one line.
            steps.append(StepView(name, what, State.DONE if outcome in FINISHED else State.NEVER))
        else:
            steps.append(StepView(name, what, State.NOW if number == reached + 1 else State.AHEAD))
    held, ended = last.get("held"), last.get("routed", last.get("aborted"))
    is_held = held is not None and ended is None and now is not None
    until = ended if ended is not None else now
    hold = until - held if held is not None and until is not None else None
    return SwitchView(tuple(steps), now is None, outcome, hold, is_held)


def of_journal(entries: Sequence[Entry]) -> tuple[SwitchView, Entry] | None:
    """The last switch that the journal knows, with its intent. Entries oldest first."""
    intent = next((one for one in reversed(entries) if one.kind == "intent"), None)
    if intent is None:
        return None
    own = [one for one in entries if one.switch == intent.switch]
    marks = [Mark(one.at.timestamp() * 1000, one.kind) for one in own]
    outcome = next((_outcome(one) for one in own if one.kind in OUTCOMES), "")
    now = None if outcome else marks[-1].ms
    return view(marks, now, outcome), intent


def _outcome(entry: Entry) -> str:
    if entry.kind != "recovered":
        return entry.kind
    return "finished" if entry.detail.get("case") in (Case.FINISH_GRANT, Case.FINISH_ROUTE) else "taken back"
