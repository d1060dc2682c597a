"""May a move go on? Decided from its gates and from what a person forces; a value, nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migration_plan.errors import PreflightRefused, Refusal
from migration_plan.gate import Gate


@dataclass(frozen=True)
class Judgement:
    """All gates of one move. `force`: why somebody passes those that can be forced; empty: nobody does."""

    gates: tuple[Gate, ...]
    force: str = ""

    @property
    def overridden(self) -> tuple[Gate, ...]:
        """What is not met and was forced."""
        return tuple(gate for gate in self.gates if self.force and gate.can_be_forced and not gate.is_met)

    @property
    def refusals(self) -> list[Refusal]:
        """Every reason that is left, at once."""
        return [reason for gate in self.gates if gate not in self.overridden for reason in gate.refusals]

    @property
    def figures(self) -> Mapping[str, str]:
        """For the journal: what was the case when it was decided."""
        return {gate.name: gate.figure for gate in self.gates}

    def demand(self, domain: str) -> None:
        """PreflightRefused with all reasons; it says which of them `--force` would pass."""
        if not self.refusals:
            return
        refused = PreflightRefused(domain, self.refusals)
        left = {gate.name for gate in self.gates if not gate.is_met} - {gate.name for gate in self.overridden}
        if left == {gate.name for gate in self.gates if gate.can_be_forced and not gate.is_met}:
            refused.next_step = f"in an emergency: --force REASON passes {', '.join(sorted(left))}, and is journaled"
        raise refused
