"""The nightly job: interest for every account, straight into the tables, past every proxy.

    python -m tests.awkward.nightly        # ACME_DATABASE_URL

Exit code 3: the ledger is not here any more; somebody forgot this script.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row

from tests.awkward.monolith import post

RATE = Decimal("0.01")


def main() -> int:
    with psycopg.connect(os.environ["ACME_DATABASE_URL"], row_factory=dict_row, application_name="acme-nightly") as db:
        rows = db.execute(
            """select "accountId" as id, balance from acme."Account" where not closed and balance > 0
               order by "accountId" for update"""
        ).fetchall()
        try:
            for row in rows:
                post(db, row["id"], "I", (row["balance"] * RATE).quantize(Decimal("0.01")), "interest")
        except psycopg.Error as error:
            if error.sqlstate != "SF421":
                raise
            print(f"nothing was booked: {error.diag.message_primary}", file=sys.stderr)
            db.rollback()
            return 3
    print(f"interest for {len(rows)} account(s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
