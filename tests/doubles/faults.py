"""What a double may be told to do wrong, and to whom. Decisions only, no network."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """The closed vocabulary of failing; what each leaves behind is what matters to a caller."""

    DROP = "drop"  # Nothing is done, and the connection ends without an answer.
    ERROR = "error"  # Nothing is done, and the answer says so: 500 (mail: 451), or the status that was told.
    RATE_LIMITED = "rate_limited"  # Nothing is done: 429 (mail: 450).
    SLOW = "slow"  # The work is done after a pause, whether or not the caller still waits.
    LOST = "lost"  # The work is done, and the connection ends without an answer.


@dataclass(frozen=True)
class Seen:
    """A request, as far as a fault may look at it; a mail is a request with the method MAIL."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class Fault(BaseModel):
    """One instruction: which requests (all that match, after `skip` of them, `times` times) fail, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    times: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    method: str = ""
    path: str = ""
    where: dict[str, str] = Field(default_factory=dict)
    seconds: float = Field(default=1.0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)

    def matches(self, seen: Seen) -> bool:
        """`path` is a shell pattern; every parameter in `where` must be exactly so."""
        return (
            self.method in ("", seen.method)
            and (not self.path or fnmatchcase(seen.path, self.path))
            and all(seen.parameters.get(name) == value for name, value in self.where.items())
        )


@dataclass
class _Pending:
    fault: Fault
    to_skip: int
    left: int


class Faults:
    """The instructions that are not used up. The first that matches a request is the one it gets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._pending.append(_Pending(fault, fault.skip, fault.times))

    def take(self, seen: Seen) -> Fault | None:
        """The fault for this request, which is thereby used once."""
        with self._lock:
            for pending in self._pending:
                if not pending.fault.matches(seen):
                    continue
                if pending.to_skip:
                    pending.to_skip -= 1
                    continue
                pending.left -= 1
                if not pending.left:
                    self._pending.remove(pending)
                return pending.fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def listed(self) -> list[dict[str, object]]:
        """What is still to come, for `/_control/faults` and the page."""
        with self._lock:
            return [
                {**p.fault.model_dump(mode="json"), "left": p.left, "left_to_skip": p.to_skip} for p in self._pending
            ]
