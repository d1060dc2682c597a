"""Commands that act in several places begin with a line in the journal and end with another one. The first without the
second: whoever gave the command died in between, and what is missing is brought by giving it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migration_plan.journal.entries import Entry
from migration_plan.journal.journal import Journal


@dataclass(frozen=True)
class Kind:
    """How such a command is journaled, and what to type once more."""

    begun: str
    ended: str
    void: str
    """A line that makes it a matter of the past as well: the domain began, or ended, anew."""
    command: str


ADOPTION = Kind("adopting", "adopted", "sync-stopped", "fig resume {domain} --owner …")
ACCEPTANCE = Kind("schema-accepting", "schema-accepted", "sync-stopped", "fig sync accept {domain}")
EJECTION = Kind("ejecting", "ejected", "sync-started", "fig eject")


def last_begun(journal: Journal, domain: str, kind: Kind) -> Entry | None:
    """The line of the last such command, if it has not ended."""
    begun = journal.last(domain, kind.begun)
    after = [journal.last(domain, one) for one in (kind.ended, kind.void)] if begun else []
    return None if any(begun and one and one.id > begun.id for one in after) else begun


def half_done(journal: Journal, domain: str) -> Iterator[tuple[Entry, str]]:
    """Each that nobody else would notice, and the command that ends it. An adoption is seen by its rows."""
    for kind in (ACCEPTANCE, EJECTION):
        if (begun := last_begun(journal, domain, kind)) is not None:
            yield begun, kind.command.format(domain=domain)
