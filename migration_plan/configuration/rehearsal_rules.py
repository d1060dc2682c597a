"""What fig.yml says of rehearsals."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from migration_plan.configuration.documents import Part

Words = Annotated[tuple[str, ...], Field(strict=False)]


class Rehearsal(Part):
    """How the application runs on copies. Its stack must reach nobody: no real payment, no real mail."""

    stack: str = ""
    """The stack file, meant from fig.yml's own folder; empty: the one that `fig up` uses."""
    processes: Words = ()
    """What of it is started, with what that needs; empty: all of it."""
    traffic: Words = ()
    """A command that uses the rehearsed application until it is told to stop (SIGTERM)."""
