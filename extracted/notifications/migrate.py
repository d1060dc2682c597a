"""python -m extracted.notifications.migrate: brings the schema of notifications up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from extracted.platform.errors import StartError
from extracted.platform.migrations import migrate
from extracted.platform.settings import setting

MIGRATIONS = Path(__file__).parent / "migrations"


def main() -> int:
    try:
        migrate(MIGRATIONS, setting("NOTIFICATIONS_OWNER_URL"))
    except StartError as error:
        print(f"{error.code}: {error}; {error.next_step}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
