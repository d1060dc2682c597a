"""`python schema.py DSN FILE`: create a schema as the owner of its tables."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

if __name__ == "__main__":
    dsn, file = sys.argv[1:]
    with psycopg.connect(dsn) as connection:
        connection.execute(Path(file).read_text())
