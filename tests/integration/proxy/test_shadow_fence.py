"""A shadow request changes nothing: PostgreSQL refuses its writes, whichever way the application connects."""

from __future__ import annotations

import flask
import psycopg
import psycopg2
import pytest
import sqlalchemy
from werkzeug.test import Client

from proxy.middleware import begin_effect, guard, watch

SCHEMA = """
create table thing (id serial, note text);
insert into thing (note) values ('first');
create function sly() returns int language plpgsql as $$ begin
  insert into thing (note) values ('sly'); return 1;
end $$;
"""
WRITES = {
    "insert": "insert into thing (note) values ('x')",
    "function": "select sly()",
    "sequence": "select nextval('thing_id_seq')",
    "lock": "select id from thing for update",
    "common table expression": "with w as (delete from thing returning id) select id from w",
    "definition": "create table other (id int)",
}
ASK = {"X-Fig-Shadow": "ask"}


@pytest.fixture(scope="module")
def dsn(monolith_server):
    found = monolith_server.create_database("shadow_fence")
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return found


def url(dsn, driver):
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return f"postgresql+{driver}://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"


WAYS = ("psycopg", "psycopg autocommit", "psycopg2", "sqlalchemy+psycopg", "sqlalchemy+psycopg autocommit",
        "sqlalchemy+psycopg2")  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request, dsn):
    """`way(statements)` runs them on one connection that stays open between requests, as in a pool."""
    guard(lambda environ, start: [])
    kind, _, autocommit = request.param.partition(" ")
    library, _, driver = kind.rpartition("+")
    if library:
        options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
        engine = sqlalchemy.create_engine(url(dsn, driver), pool_size=1, max_overflow=0, **options)

        def run(*statements):
            with engine.connect() as connection:
                found = [connection.execute(sqlalchemy.text(one)) for one in statements]
                rows = [one.fetchall() if one.returns_rows else [] for one in found]
                connection.commit()
            return rows

        yield run
        engine.dispose()
        return
    connection = (
        watch(psycopg2.connect(dsn)) if driver == "psycopg2" else psycopg.connect(dsn, autocommit=bool(autocommit))
    )

    def run_on_connection(*statements):
        try:
            rows = []
            for one in statements:
                cursor = connection.cursor()
                cursor.execute(one)
                rows.append(cursor.fetchall() if cursor.description else [])
            connection.commit()
            return rows
        finally:
            connection.rollback()

    yield run_on_connection
    connection.close()


def served(view, headers):
    application = flask.Flask("sample")
    application.add_url_rule("/", view_func=view, endpoint="view")
    return Client(guard(application)).get("/", headers=headers)


def notes(dsn):
    with psycopg.connect(dsn) as connection:
        return sorted(note for (note,) in connection.execute("select note from thing"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_is_refused_by_the_database_and_the_answer_says_so(way, write, dsn):
    before = notes(dsn)

    def view():
        try:
            way("select 1", write)
        except Exception:  # noqa: BLE001 - an application that swallows it.
            return "all is well"
        return "written"

    answer = served(view, ASK)
    assert (answer.status_code, answer.headers["X-Fig-Shadow"], answer.data) == (403, "refused", b"")
    assert notes(dsn) == before


def test_the_connection_goes_back_as_it_came_and_the_next_user_writes(way, dsn):
    def write():
        way(WRITES["insert"])
        return "written"

    assert served(write, ASK).status_code == 403
    before = len(notes(dsn))
    answer = served(write, {})
    assert (answer.status_code, answer.data) == (200, b"written")
    assert "X-Fig-Shadow" not in answer.headers
    assert len(notes(dsn)) == before + 1
    assert way("show default_transaction_read_only") == [[("off",)]]


def test_a_read_is_answered_as_ever_without_cookies(way):
    def view():
        answer = flask.jsonify(way("select note from thing where id = 1")[0][0][0])
        answer.set_cookie("session", "new")
        return answer

    answer = served(view, ASK)
    assert (answer.status_code, answer.headers["X-Fig-Shadow"], answer.json) == (200, "fenced", "first")
    assert "Set-Cookie" not in answer.headers
    assert "Set-Cookie" in served(view, {}).headers


def test_what_is_written_while_the_body_is_sent_is_refused_too(way, dsn):
    before = notes(dsn)

    def view():
        def body():
            yield "begun"
            way(WRITES["insert"])

        return flask.Response(body())

    assert served(view, ASK).headers["X-Fig-Shadow"] == "refused"
    assert notes(dsn) == before


def test_an_effect_outside_is_refused_even_if_the_application_swallows_that():
    done = []

    def view():
        try:
            begin_effect()
            done.append("sent")
        except Exception:  # noqa: BLE001 - an application that swallows it.
            return "all is well"
        return "sent"

    assert served(view, ASK).headers["X-Fig-Shadow"] == "refused"
    assert done == []
    assert served(view, {}).data == b"sent"


def test_a_statement_that_cannot_be_made_read_only_is_not_sent(dsn):
    def autocommit():
        connection = watch(psycopg2.connect(dsn))
        connection.autocommit = True
        connection.cursor().execute(WRITES["insert"])
        return "written"

    def sqlite():
        with sqlalchemy.create_engine("sqlite://").connect() as connection:
            connection.execute(sqlalchemy.text("create table t (id int)"))
        return "written"

    def copy():
        with psycopg.connect(dsn) as connection, connection.cursor().copy("copy thing (note) from stdin") as into:
            into.write_row(("x",))
        return "written"

    before = notes(dsn)
    for view in (autocommit, sqlite, copy):
        assert served(view, ASK).headers["X-Fig-Shadow"] == "refused"
    assert notes(dsn) == before


def test_a_probe_is_answered_without_the_application_and_a_crash_is_an_answer():
    def view():
        raise RuntimeError("on purpose")

    probe = served(view, {"X-Fig-Shadow": "probe"})
    assert (probe.status_code, probe.headers["X-Fig-Shadow"]) == (204, "fenced")
    crash = served(view, ASK)
    assert (crash.status_code, crash.headers["X-Fig-Shadow"]) == (500, "fenced")
