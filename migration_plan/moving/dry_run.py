"""What a move would do, and what is against it, as one value: `fig advance --dry-run` and `fig rollback --dry-run`."""

from __future__ import annotations

from dataclasses import dataclass

from migration_plan.lifecycle import Act, Stage
from migration_plan.moving.forecast import Forecast, forecast_of
from migration_plan.moving.gates import gates_of
from migration_plan.moving.judgement import Judgement
from migration_plan.moving.moves import find_move
from migration_plan.moving.steps import Move, Step, steps
from migration_plan.parts import Parts
from migration_plan.sync import status as sync_status
from migration_plan.sync.status import LineStatus


@dataclass(frozen=True)
class DryRun:
    """Nothing of it was done."""

    move: Move
    steps: tuple[Step, ...]
    positions: tuple[LineStatus, ...]
    judgement: Judgement
    forecast: Forecast | None
    """Of a rollback of the service; None: nobody is held."""

    @property
    def next_steps(self) -> list[str]:
        domain, forward = self.move.plan.domain, self.move.after.place > self.move.now.place
        passed = self.judgement.overridden
        red = [gate.next_step for gate in self.judgement.gates if not gate.is_met and gate not in passed]
        return list(dict.fromkeys(red)) or [f"fig {'advance' if forward else 'rollback'} {domain}"]

    def as_json(self) -> dict[str, object]:
        move = self.move
        return {
            "domain": move.plan.domain, "stage": move.now, "to": move.after, "act": move.act,
            "epoch": None if move.owner is None else move.owner.epoch,
            "steps": [step.as_json() for step in self.steps],
            "positions": [_position(line) for line in self.positions],
            "gates": [gate.as_json() for gate in self.judgement.gates],
            "overridden": [gate.name for gate in self.judgement.overridden],
            "refusals": [reason.as_json() for reason in self.judgement.refusals],
            "forecast": None if self.forecast is None else self.forecast.as_json(),
            "next_steps": self.next_steps,
        }  # fmt: skip


def _position(line: LineStatus) -> dict[str, object]:
    names = ("name", "direction", "state", "source_lsn", "applied_lsn", "lag_bytes", "lag_seconds")
    return {name: getattr(line, name) for name in names}


def dry_run(parts: Parts, forward: bool, to: Stage | None = None, force: str = "") -> DryRun:
    """Measure everything that the move would; change nothing but a probe through both streams."""
    move = find_move(parts, forward, to)
    judgement = Judgement(gates_of(parts, move), force)
    positions = () if move.act is Act.START_SYNC else sync_status.status(parts, "").lines
    return DryRun(move, tuple(steps(move)), positions, judgement, forecast_of(parts, move, judgement))
