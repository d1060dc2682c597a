"""The live databases into the rehearsal's servers, without what fig has in them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from migration_plan.local import mortal, postgres
from migration_plan.rehearsal.errors import CopyFailed

# Lines of `pg_restore --list` that depend on our schema, which is left out.
_OURS = re.compile(r"^\d+; \d+ \d+ (TRIGGER \S+ \S+ a_fig_fence |EVENT TRIGGER - fig_sentry\w* )")


def copy(live: str, into: str, name: str, private: Path) -> None:
    """One database with its rows, at one moment of its own. `into`: its empty counterpart, as a superuser; `private`: a
    folder of ours alone that goes with the rehearsal, for the rows are on disk on their way."""
    programs = postgres.programs()
    with tempfile.TemporaryDirectory(dir=private) as folder:
        archive, listing = Path(folder) / "archive", Path(folder) / "list"
        left_out = ["--exclude-schema=fig", "--no-publications", "--no-subscriptions"]
        _run(name, [programs / "pg_dump", "--format=custom", "--compress=0", *left_out, "--file", archive, live])
        contents = _run(name, [programs / "pg_restore", "--list", archive])
        listing.write_text("\n".join(wanted(contents.splitlines())), encoding="utf-8")
        _run(name, [programs / "pg_restore", "--exit-on-error", "--use-list", listing, "--dbname", into, archive])


def wanted(listing: Iterable[str]) -> list[str]:
    """Of an archive's table of contents, what can stand without our schema."""
    return [line for line in listing if not _OURS.match(line)]


def _run(name: str, command: list[object]) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, preexec_fn=mortal.with_us()
    )
    if done.returncode != 0:
        # DETAIL and CONTEXT of PostgreSQL hold values.
        said = [line for line in done.stderr.splitlines() if "DETAIL" not in line and "CONTEXT" not in line]
        raise CopyFailed(
            f"{Path(str(command[0])).name} of {name}: {' '.join(said[-3:])}",
            "see that the plan's role may read all of it",
        )
    return done.stdout
