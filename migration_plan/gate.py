"""A gate: one figure, its limit, and whether the first is within the second. A value, made by whoever has measured."""

from __future__ import annotations

from dataclasses import dataclass

from migration_plan.errors import Refusal


@dataclass(frozen=True)
class Gate:
    """One condition to leave a stage. `figure` and `limit` are texts for people, units included."""

    name: str
    is_met: bool
    figure: str
    limit: str
    next_step: str
    """What to type when it is not met."""
    can_be_forced: bool
    """Whether `--force REASON` may pass it: only where being wrong costs answers or time, never rows."""
    reasons: tuple[Refusal, ...] = ()
    """Why it is not met, one by one; without any the figure says it."""
    value: float | None = None
    """The figure as a number, where it is one; seconds for times."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Nothing where it is met."""
        if self.is_met:
            return ()
        said = f"{self.name} is {self.figure}; the plan wants {self.limit}"
        return self.reasons or (Refusal(self.name, said, self.next_step),)

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name, "is_met": self.is_met, "figure": self.figure, "limit": self.limit,
            "value": self.value,
            "next_step": "" if self.is_met else self.next_step, "can_be_forced": self.can_be_forced,
            "reasons": [reason.as_json() for reason in self.refusals],
        }  # fmt: skip
