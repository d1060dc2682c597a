"""The awkward monolith: ten routes, plain WSGI, raw SQL on a connection of its own a thread.

    gunicorn "proxy.middleware:guard('tests.awkward.monolith:application')"

The database is named by ACME_DATABASE_URL.
"""

from __future__ import annotations

import os
import threading
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.awkward.web import Application, Environ, Refused, body

_mine = threading.local()

ACCOUNT = """select "accountId" as id, "memberId" as member, "Label" as label, "order" as position,
                    closed, balance::text as balance, "opened at" at time zone 'UTC' as opened
             from acme."Account" """


def database() -> psycopg.Connection[dict[str, Any]]:
    """This thread's connection; a broken one is opened again."""
    connection = getattr(_mine, "connection", None)
    if connection is None or connection.closed:
        connection = psycopg.connect(os.environ["ACME_DATABASE_URL"], row_factory=dict_row, application_name="acme-web")
        _mine.connection = connection
    return connection


def amount_of(data: dict[str, Any]) -> Decimal:
    try:
        amount = Decimal(str(data["amount"])).quantize(Decimal("0.01"))
    except (KeyError, InvalidOperation) as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "amount is missing or no decimal") from error
    return amount


def uuid_of(data: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(str(data[name]))
    except (KeyError, ValueError) as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is missing or no UUID") from error


def leave_nothing_open() -> None:
    """What a request did not commit is taken back at its end."""
    connection = getattr(_mine, "connection", None)
    if connection is not None and not connection.closed:
        connection.rollback()


application = Application(leave_nothing_open)


@application.route("GET", "/livez")
def livez(environ: Environ):
    return HTTPStatus.OK, {}


@application.route("POST", "/members")
def join(environ: Environ):
    data, db = body(environ), database()
    try:
        row = db.execute(
            """insert into acme.members ("e-mail", "Name") values (%(email)s, %(name)s)
               returning "memberId" as id""",
            data,
        ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise Refused(HTTPStatus.CONFLICT, "somebody has that address") from error
    db.commit()
    return HTTPStatus.CREATED, row


@application.route("GET", "/members/{}")
def member(environ: Environ, member_id: str):
    row = database().execute(
        """select "memberId" as id, "e-mail" as email, "Name" as name, wealth::text as wealth
           from acme.members left join acme.rich using ("memberId") where "memberId" = %s""",
        [member_id],
    )
    return HTTPStatus.OK, found(row.fetchone())


@application.route("DELETE", "/members/{}")
def leave(environ: Environ, member_id: str):
    """Takes empty accounts along, by cascade."""
    db = database()
    try:
        db.execute("""delete from acme.members where "memberId" = %s""", [member_id])
    except psycopg.errors.ForeignKeyViolation as error:
        raise Refused(HTTPStatus.CONFLICT, "there are entries in the member's accounts") from error
    db.commit()
    return HTTPStatus.OK, {}


@application.route("GET", "/ledger/accounts")
def accounts(environ: Environ):
    rows = database().execute(ACCOUNT + """order by "order" desc limit 50""").fetchall()
    return HTTPStatus.OK, rows


@application.route("POST", "/ledger/accounts")
def open_account(environ: Environ):
    data, db = body(environ), database()
    try:
        row = db.execute(
            """insert into acme."Account" ("memberId", "Label") values (%s, %s)
               returning "accountId" as id""",
            [uuid_of(data, "member"), data.get("label", "savings")],
        ).fetchone()
    except (psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation) as error:
        raise Refused(HTTPStatus.CONFLICT, "no such member, or it has an account of that name") from error
    db.commit()
    return HTTPStatus.CREATED, row


@application.route("GET", "/ledger/accounts/{}")
def account(environ: Environ, account_id: str):
    db = database()
    row = found(db.execute(ACCOUNT + """where "accountId" = %s""", [account_id]).fetchone())
    entries = db.execute(
        """select "no" as number, kind, amount::text as amount, memo from acme."Entry"
           where "accountId" = %s order by "no" """,
        [account_id],
    ).fetchall()
    return HTTPStatus.OK, {**row, "entries": entries}


@application.route("POST", "/ledger/accounts/{}/entries")
def book(environ: Environ, account_id: str):
    data, db = body(environ), database()
    amount = amount_of(data)
    number = post(db, UUID(account_id), "D" if amount >= 0 else "W", amount, data.get("memo"))
    db.commit()
    return HTTPStatus.CREATED, {"number": number}


@application.route("POST", "/ledger/transfers")
def transfer(environ: Environ):
    """Commits twice, as it always has: first the debit, then the credit."""
    data, db = body(environ), database()
    amount = amount_of(data)
    source, target = uuid_of(data, "from"), uuid_of(data, "to")
    number = post(db, source, "T", -amount, f"to {target}")
    db.commit()
    post(db, target, "T", amount, f"from {source} no {number}")
    db.commit()
    return HTTPStatus.CREATED, {"number": number}


@application.route("POST", "/ledger/accounts/{}/close")
def close(environ: Environ, account_id: str):
    db = database()
    row = db.execute(
        """update acme."Account" set closed = true where "accountId" = %s returning "accountId" as id""",
        [account_id],
    ).fetchone()
    db.commit()
    return HTTPStatus.OK, found(row)


@application.route("POST", "/statements/{}")
def draw_statement(environ: Environ, account_id: str):
    """Another domain, which reads this one's table."""
    db = database()
    row = db.execute(
        """insert into acme.statements ("accountId", closing)
           select "accountId", balance from acme."Account" where "accountId" = %s
           returning id, closing::text as closing""",
        [account_id],
    ).fetchone()
    db.commit()
    return HTTPStatus.CREATED, found(row)


def post(db: psycopg.Connection[dict[str, Any]], account_id: UUID, kind: str, amount: Decimal, memo: str | None) -> int:
    """One entry and the balance with it, not yet committed; the account's row is locked first."""
    try:
        row = db.execute(
            """update acme."Account" set balance = balance + %s where "accountId" = %s and not closed
               returning "accountId" as id""",
            [amount, account_id],
        ).fetchone()
    except psycopg.errors.CheckViolation as error:
        raise Refused(HTTPStatus.CONFLICT, "overdrawn") from error
    last = db.execute(
        """select max("no") as number from acme."Entry" where "accountId" = %s""", [found(row)["id"]]
    ).fetchone()
    number = (found(last)["number"] or 0) + 1
    db.execute(
        """insert into acme."Entry" ("accountId", "no", kind, amount, memo) values (%s, %s, %s, %s, %s)""",
        [account_id, number, kind, amount, memo],
    )
    return number


def found(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise Refused(HTTPStatus.NOT_FOUND, "no such row")
    return row
