"""A canary's state in the journal's database: whoever keeps it next goes on from there.

CanaryStore(dsn).read(domain) | begin(state) | change(before, after) | end(domain)
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

from migration_plan.canary.judge import MODES, Event, Mode
from migration_plan.canary.tally import Count, Tally
from migration_plan.journal.session import Connection, JournalSession
from migration_plan.lifecycle import Side


@dataclass(frozen=True)
class State:
    """`share` in 1/100 %; `seconds`: how long it has been that; `counted`: by proxy, when it began."""

    domain: str
    share: int
    mode: Mode
    revision: int
    seconds: float = 0.0
    counted: Mapping[str, Count] = field(default_factory=dict)
    reference: Tally | None = None
    reason: str = ""

    def after(self, event: Event, share: int, reason: str, counted: Mapping[str, Count]) -> State:
        """The state that follows; KeyError for an event that cannot be. A share that stays goes on counting."""
        stays = share == self.share
        return replace(
            self, share=share, mode=MODES[self.mode, event], revision=revision_after(self.revision), reason=reason,
            seconds=self.seconds if stays else 0.0, counted=self.counted if stays else counted,
        )  # fmt: skip


def revision_after(before: int) -> int:
    """Higher than any before, also than those of a canary that has ended and is forgotten: it grows with the clock."""
    return max(before + 1, int(time.time() * 1000))


class CanaryStore(JournalSession):
    """Each statement stands alone; what is decided on a state is a compare-and-set on its revision."""

    application = "fig-canary"

    def read(self, domain: str) -> State | None:
        """None: the domain has no canary."""
        with self.session() as connection:
            found = connection.execute(
                "select *, extract(epoch from clock_timestamp() - since)::float8 as seconds"
                " from fig.canary where domain = %s",
                [domain],
            ).fetchone()
        return None if found is None else _state(found)

    def begin(self, state: State) -> bool:
        """False: there is one already, which stays as it is."""
        with self.session() as connection:
            return (
                connection.execute(
                    "insert into fig.canary (domain, share, mode, revision, counted, reason)"
                    " values (%s, %s, %s, %s, %s, %s) on conflict (domain) do nothing returning 1",
                    [state.domain, state.share, state.mode, state.revision, _counted(state), state.reason],
                ).fetchone()
                is not None
            )

    def change(self, before: State, after: State) -> bool:
        """Compare-and-set on the revision; False: somebody else was first, and nothing is changed."""
        with self.session() as connection:
            return (
                connection.execute(
                    "update fig.canary set share = %s, mode = %s, revision = %s, counted = %s, reference = %s,"
                    " reason = %s, since = case when share = %s then since else clock_timestamp() end"
                    " where domain = %s and revision = %s returning 1",
                    [
                        after.share, after.mode, after.revision, _counted(after),
                        json.dumps(after.reference.as_json()) if after.reference else None, after.reason,
                        after.share, before.domain, before.revision,
                    ],
                ).fetchone()
                is not None
            )  # fmt: skip

    def end(self, domain: str) -> bool:
        """Whether there was one."""
        with self.session() as connection:
            found = connection.execute("delete from fig.canary where domain = %s returning 1", [domain]).fetchone()
        return found is not None

    def _prepare(self, connection: Connection) -> None:
        """Create the table where it is not yet."""
        if connection.execute("select 1 from pg_class where oid = to_regclass('fig.canary')").fetchone() is None:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(hashtext('fig.canary'))")
                connection.execute(files(__package__).joinpath("store.sql").read_text())


def _counted(state: State) -> str:
    return json.dumps(
        {proxy: {side: tally.as_json() for side, tally in count.items()} for proxy, count in state.counted.items()}
    )


def _state(row: Mapping[str, Any]) -> State:
    counted = {
        proxy: {Side(side): Tally.parse(tally) for side, tally in count.items()}
        for proxy, count in row["counted"].items()
    }
    return State(
        row["domain"], row["share"], Mode(row["mode"]), row["revision"], row["seconds"], counted,
        Tally.parse(row["reference"]) if row["reference"] else None, row["reason"],
    )  # fmt: skip
