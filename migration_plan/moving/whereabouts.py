"""In which stage every domain is, for `fig status`: one look into the journal, which judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from migration_plan.configuration import plan, settings
from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.errors import JournalUnreachable
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import OWNER, Side, Stage


@dataclass(frozen=True)
class Whereabouts:
    """One domain. `owner` is whoever the stage says; `fig status DOMAIN` asks the databases."""

    domain: str
    stage: Stage
    stages: tuple[Stage, ...]
    owner: Side

    def __str__(self) -> str:
        return " > ".join(f"[{stage}]" if stage is self.stage else str(stage) for stage in self.stages)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "stages": list(self.stages)}


def whereabouts(environment: Mapping[str, str]) -> list[Whereabouts]:
    """All domains of the settings; none where the settings are not whole or the journal is away: others tell that."""
    try:
        known = settings.load(environment)
        plans = [plan.load(file, environment) for file in known.plan_files]
    except DocumentInvalid:
        return []
    journal = Journal(known.journal.dsn)
    try:
        at = {one.domain: journal.stage(one.domain) for one in plans}
    except JournalUnreachable:
        return []
    finally:
        journal.close()
    return [Whereabouts(one.domain, at[one.domain], one.stages, OWNER[at[one.domain]]) for one in plans]
