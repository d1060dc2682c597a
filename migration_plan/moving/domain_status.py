"""`fig status DOMAIN`: stage, owner, epoch, gates and the next command, read from rows, journal and servers now."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from cdc.errors import CdcError
from cdc.masking import of_database
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.gate import Gate
from migration_plan.lifecycle import OWNER, Side, Stage, path, possible, reachable
from migration_plan.moving.gates import gates_to_leave
from migration_plan.moving.moves import current
from migration_plan.parts import Parts
from migration_plan.recovering.diagnosis import read_and_decide
from migration_plan.recovering.recovery import FOR_A_PERSON, Case

_ON_ITS_WAY = frozenset({Case.NOTHING_HAPPENED, Case.ABORT, Case.FINISH_GRANT, Case.FINISH_ROUTE})
"""What every switch passes through: whoever has the lease goes on from here, and nobody else has to do anything."""


@dataclass(frozen=True)
class Standing:
    """Where a domain is, and what is between it and its next stage."""

    domain: str
    stages: tuple[Stage, ...]
    stage: Stage
    owner: str
    """The side, `nobody`, or what stands between."""
    epoch: int
    rows: dict[str, str]
    """Each side's row, as a person reads it."""
    is_settled: bool
    gates: tuple[Gate, ...]
    trouble: str
    """Why the gates cannot be told; empty: they can."""
    unsettled: str = ""
    """What is the matter with the rows; empty: nothing."""
    waits_for_a_person: bool = False
    """Nothing that goes on by itself: a person has to say who owns."""
    at_work: str = ""
    """Who is about to settle what is unsettled; empty: nobody."""

    @property
    def next_steps(self) -> list[str]:
        """The command that makes sense first."""
        if self.waits_for_a_person:
            return [f"fig resume {self.domain} --owner {' or '.join(Side)} --reason …"]
        if not self.is_settled:
            return [f"fig status {self.domain}" if self.at_work else f"fig resume {self.domain}"]
        red = [gate.next_step for gate in self.gates if not gate.is_met]
        if red:
            return list(dict.fromkeys(red))
        forward = reachable(self.stages, self.stage, True)
        return [f"fig advance {self.domain}" if forward else f"fig history {self.domain}"]

    @property
    def path(self) -> str:
        return path(self.stages, self.stage)

    def as_json(self) -> dict[str, object]:
        return {
            "domain": self.domain, "stages": list(self.stages), "stage": self.stage, "owner": self.owner,
            "epoch": self.epoch, "rows": self.rows, "settled": self.is_settled,
            "unsettled": self.unsettled, "at_work": self.at_work,
            "gates": [gate.as_json() for gate in self.gates], "trouble": self.trouble,
            "possible": possible(self.stages, self.stage), "next_steps": self.next_steps,
        }  # fmt: skip


def standing(parts: Parts) -> Standing:
    """Everything now. A database that does not answer is said, not raised; the journal's is raised."""
    decision, rows, _intent = read_and_decide(parts)
    stage, _rows = current(parts)
    at_rest = stage is Stage.MONOLITH and all(row is None for row in rows.values())
    owner = next((row for row in rows.values() if row is not None and row.state == "owner"), None)
    gates, trouble = _gates(parts, stage)
    absent = "not begun" if at_rest else "not enrolled, or away"
    is_unsettled = not (at_rest or decision.settled)
    at_work = parts.journal.leased_by(parts.domain) if is_unsettled and decision.case in _ON_ITS_WAY else ""
    return Standing(
        parts.domain,
        parts.plan.stages,
        stage,
        str(owner.side) if owner else str(OWNER[stage]) if at_rest else "nobody",
        owner.epoch if owner else max((row.epoch for row in rows.values() if row), default=0),
        {side: str(row) if row else absent for side, row in rows.items()},
        at_rest or decision.case is Case.REST,
        gates,
        trouble,
        (f"{at_work} is at work on it" if at_work else f"{decision.case}: {decision.reason}") if is_unsettled else "",
        not at_rest and decision.case in FOR_A_PERSON,
        at_work,
    )


def _gates(parts: Parts, stage: Stage) -> tuple[tuple[Gate, ...], str]:
    try:
        return gates_to_leave(parts, stage), ""
    except JournalUnreachable:
        raise
    except (FigError, CdcError) as error:
        return (), str(error)
    except psycopg.Error as error:
        return (), of_database(error)
