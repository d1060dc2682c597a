"""Facts that were looked at, and those that did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    promise: str
    operation: str
    """What was done, or the thing that is wrong."""
    evidence: str

    def __str__(self) -> str:
        return f"{self.promise} broken: {self.operation}: {self.evidence}"


@dataclass
class Findings:
    violations: list[Violation] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)

    def expect(self, promise: str, holds: bool, operation: object, evidence: str) -> None:
        """Count a fact; keep it as a violation unless it holds."""
        self.facts[promise] += 1
        if not holds:
            self.violations.append(Violation(promise, str(operation), evidence))
