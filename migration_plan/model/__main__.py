"""`make model`: every search at full bounds, then each guard taken away, with the steps that lead to the break."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from migration_plan.model.guards import FULL, GUARDS, SEARCHES
from migration_plan.model.search import build, search


def main() -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for name, bounds in {**SEARCHES, **FULL}.items():
            found = search(program, bounds)
            missed += bool(found.broken) or not found.complete
            print(f"{name}: {found}", *found.steps, sep="\n  ", flush=True)
        for name, guard in GUARDS.items():
            found = search(program, guard.bounds, guard.number)
            missed += not found.broken
            print(f"\nwithout {name} ({guard.where} {guard.what}): {found}", *found.steps, sep="\n  ", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
