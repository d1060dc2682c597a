"""What the journal remembers, as values."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    id: int
    at: datetime
    domain: str
    switch: UUID | None
    kind: str
    epoch: int | None
    actor: str
    detail: Mapping[str, Any]
    address: str | None = None
    """From where, as the journal's server saw it; None: from its own machine, by a socket."""
    reason: str | None = None
    """Why, as the person has said it."""

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id, "at": self.at.isoformat(), "domain": self.domain, "kind": self.kind, "epoch": self.epoch,
            "switch": str(self.switch) if self.switch else None, "actor": self.actor, "detail": dict(self.detail),
            "address": self.address, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """The last verification of a domain. `age` in seconds, by the journal's clock."""

    rows: int
    differences: int
    age: float


@dataclass(frozen=True)
class ContractRun:
    """The last run of a domain's contract command. `age` in seconds, by the journal's clock."""

    exit_code: int
    age: float


def os_user() -> str:
    """Who runs this process, as the system says; FIG_ACTOR where a person acts through a shared account."""
    if name := os.environ.get("FIG_ACTOR") or os.environ.get("USER"):
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # Containers run as numbers that have no name.
        return str(os.getuid())


def actor(name: str) -> str:
    """Who acts, on which host, in which process."""
    return f"{name}@{socket.gethostname()}:{os.getpid()}"
