"""The new service for the domain `ledger`: the same routes over its own schema, in cents; plain WSGI.

    gunicorn "proxy.middleware:guard('tests.awkward.service:application')"

The database is named by BOOK_DATABASE_URL.
"""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.awkward.monolith import amount_of, found, uuid_of
from tests.awkward.web import Application, Environ, Refused, body

_mine = threading.local()

KINDS = {"deposit": "D", "withdrawal": "W", "transfer": "T", "interest": "I"}
ACCOUNT = """select id, member_id as member, label, position, state = 'closed' as closed,
                    (balance_cents * 0.01)::numeric(12, 2)::text as balance, opened_at as opened
             from book.account """


def database() -> psycopg.Connection[dict[str, Any]]:
    """This thread's connection; a broken one is opened again."""
    connection = getattr(_mine, "connection", None)
    if connection is None or connection.closed:
        connection = psycopg.connect(os.environ["BOOK_DATABASE_URL"], row_factory=dict_row, application_name="book-web")
        _mine.connection = connection
    return connection


def leave_nothing_open() -> None:
    """What a request did not commit is taken back at its end."""
    connection = getattr(_mine, "connection", None)
    if connection is not None and not connection.closed:
        connection.rollback()


application = Application(leave_nothing_open)


@application.route("GET", "/livez")
def livez(environ: Environ):
    return HTTPStatus.OK, {}


@application.route("GET", "/ledger/accounts")
def accounts(environ: Environ):
    return HTTPStatus.OK, database().execute(ACCOUNT + "order by position desc limit 50").fetchall()


@application.route("POST", "/ledger/accounts")
def open_account(environ: Environ):
    data, db = body(environ), database()
    try:
        row = db.execute(
            "insert into book.account (member_id, label) values (%s, %s) returning id",
            [uuid_of(data, "member"), data.get("label", "savings")],
        ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise Refused(HTTPStatus.CONFLICT, "the member has an account of that name") from error
    db.commit()
    return HTTPStatus.CREATED, row


@application.route("GET", "/ledger/accounts/{}")
def account(environ: Environ, account_id: str):
    db = database()
    row = found(db.execute(ACCOUNT + "where id = %s", [account_id]).fetchone())
    entries = db.execute(
        """select number, kind::text as kind, (amount_cents * 0.01)::numeric(12, 2)::text as amount, memo
           from book.entry where account_id = %s order by number""",
        [account_id],
    ).fetchall()
    return HTTPStatus.OK, {**row, "entries": [{**entry, "kind": KINDS[entry["kind"]]} for entry in entries]}


@application.route("POST", "/ledger/accounts/{}/entries")
def book(environ: Environ, account_id: str):
    data, db = body(environ), database()
    amount = amount_of(data)
    number = post(db, UUID(account_id), "deposit" if amount >= 0 else "withdrawal", amount, data.get("memo"))
    db.commit()
    return HTTPStatus.CREATED, {"number": number}


@application.route("POST", "/ledger/transfers")
def transfer(environ: Environ):
    """One transaction, at last."""
    data, db = body(environ), database()
    amount = amount_of(data)
    source, target = uuid_of(data, "from"), uuid_of(data, "to")
    db.execute("select from book.account where id = any (%s) order by id for update", [[source, target]])
    number = post(db, source, "transfer", -amount, f"to {target}")
    post(db, target, "transfer", amount, f"from {source} no {number}")
    db.commit()
    return HTTPStatus.CREATED, {"number": number}


@application.route("POST", "/ledger/accounts/{}/close")
def close(environ: Environ, account_id: str):
    db = database()
    row = db.execute("update book.account set state = 'closed' where id = %s returning id", [account_id]).fetchone()
    db.commit()
    return HTTPStatus.OK, found(row)


def post(db: psycopg.Connection[dict[str, Any]], account_id: UUID, kind: str, amount: Decimal, memo: str | None) -> int:
    """One entry and the balance with it, not yet committed."""
    cents = int(amount * 100)
    try:
        row = db.execute(
            """update book.account set balance_cents = balance_cents + %s where id = %s and state = 'open'
               returning id""",
            [cents, account_id],
        ).fetchone()
    except psycopg.errors.CheckViolation as error:
        raise Refused(HTTPStatus.CONFLICT, "overdrawn") from error
    last = db.execute(
        "select max(number) as number from book.entry where account_id = %s", [found(row)["id"]]
    ).fetchone()
    number = (found(last)["number"] or 0) + 1
    db.execute(
        "insert into book.entry (account_id, number, kind, amount_cents, memo) values (%s, %s, %s, %s, %s)",
        [account_id, number, kind, cents, memo],
    )
    return number
