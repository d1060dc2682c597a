"""`python -m migration_plan.reference FOLDER` writes the pages of the reference; a test compares what is there."""

from __future__ import annotations

import sys
from pathlib import Path

from migration_plan.reference.pages import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
