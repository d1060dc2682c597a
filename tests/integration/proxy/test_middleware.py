"""The middleware against a real database whose fence refuses, with every way of connecting that it watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import psycopg
import psycopg2
import pytest
import sqlalchemy
from psycopg import sql
from werkzeug.test import Client

from proxy.app_figures import Counted
from proxy.middleware import Guarded, begin_effect, guard, watch
from proxy.middleware.request import current
from proxy.shadow_fence import Shielded

FENCE = """
create table free (id serial, note text);
create table fenced (id serial, note text);
create table unreadable (id serial, note text);
create function deny() returns trigger language plpgsql as $$ begin
  raise exception 'domain "catalog" is not owned here' using errcode = 'SF421', detail = tg_argv[0];
end $$;
create trigger a_fig_fence before insert or update or delete or truncate on fenced for each statement
  execute function deny('{"domain": "catalog", "epoch": 7, "side": "monolith", "state": "fenced"}');
create trigger a_fig_fence before insert on unreadable for each statement execute function deny('no json');
"""
ERRORS = (psycopg.Error, psycopg2.Error, sqlalchemy.exc.DBAPIError)
FREE, FENCED = "insert into free(note) values ('x')", "insert into fenced(note) values ('x')"


@pytest.fixture(scope="module")
def dsn(monolith_server):
    found = monolith_server.create_database("middleware")
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute(FENCE)
    return found


class Statements:
    """One way to a database: runs statements; "commit" and "rollback" are the driver's own."""

    def __init__(self, open_connection: Callable[[], Any]) -> None:
        self.open_connection = open_connection

    def __call__(self, *statements: str) -> None:
        connection = self.open_connection()
        try:
            for statement in statements:
                if statement in ("commit", "rollback"):
                    getattr(connection, statement)()
                else:
                    connection.cursor().execute(statement)
        finally:
            connection.close()


class EngineStatements(Statements):
    def __call__(self, *statements: str) -> None:
        with self.open_connection() as connection:
            for statement in statements:
                if statement in ("commit", "rollback"):
                    getattr(connection, statement)()
                else:
                    connection.execute(sqlalchemy.text(statement))


@pytest.fixture(params=["psycopg", "psycopg2", "sqlalchemy+psycopg", "sqlalchemy+psycopg2"])
def run(request, dsn):
    guard(lambda environ, start: [])  # Watches the drivers, as it does in a real process.
    if request.param == "psycopg":
        yield Statements(lambda: psycopg.connect(dsn))
    elif request.param == "psycopg2":
        yield Statements(lambda: watch(psycopg2.connect(dsn)))
    else:
        driver = request.param.partition("+")[2]
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
        url = f"postgresql+{driver}://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
        engine = sqlalchemy.create_engine(url)
        yield EngineStatements(engine.connect)
        engine.dispose()


def served(view: Callable[[], Any], method: str = "POST"):
    """What a Flask application with this one view answers behind the middleware."""
    application = flask.Flask("sample")
    application.add_url_rule("/", view_func=view, methods=["GET", "POST"], endpoint="view")
    return Client(guard(application)).open("/", method=method)


def view_of(run, *statements: str):
    def view():
        run(*statements)
        return "fine"

    return view


def is_bounce(answer) -> bool:
    return answer.status_code == 421 and answer.headers["X-Fig-Fenced"] == "catalog 7"


def is_half_done(answer) -> bool:
    return answer.status_code == 503 and "X-Fig-Fenced" not in answer.headers and bool(answer.headers["Retry-After"])


def test_a_request_that_only_met_the_fence_is_handed_back(run):
    answer = served(view_of(run, "select 1", FENCED, "commit"))
    assert is_bounce(answer)
    assert answer.json["type"] == "/problems/fenced"
    assert answer.content_type == "application/problem+json"


def test_writes_that_were_not_committed_do_not_prevent_it(run):
    assert is_bounce(served(view_of(run, FREE, FENCED, "commit")))
    assert is_bounce(served(view_of(run, FREE, "rollback", "select 1", "commit", FENCED)))


def test_a_commit_after_reading_only_does_not_prevent_it(run):
    assert is_bounce(served(view_of(run, "select count(*) from free", "commit", FENCED)))
    assert is_bounce(served(view_of(run, "/* by id */ -- really\n SELECT 1;", "commit", FENCED)))


def test_a_request_that_committed_something_is_not_repeated(run):
    assert is_half_done(served(view_of(run, FREE, "commit", FENCED)))


def test_a_commit_in_plain_sql_is_seen(run):
    assert is_half_done(served(view_of(run, FREE, "COMMIT;", FENCED)))


def test_a_writing_common_table_expression_is_a_write(run):
    statement = "with w as (insert into free(note) values ('y') returning id) select id from w"
    assert is_half_done(served(view_of(run, statement, "commit", FENCED)))


def test_a_commit_after_the_refusal_prevents_it_too(run):
    def view():
        try:
            run(FENCED)
        except ERRORS as error:
            run(FREE, "commit")
            raise RuntimeError("noted the failure in a table") from error

    assert is_half_done(served(view))


def test_an_effect_outside_prevents_it(run):
    def by_import():
        begin_effect()
        run(FENCED)

    def by_environ():
        flask.request.environ["fig.begin_effect"]()
        run(FENCED)

    assert is_half_done(served(by_import))
    assert is_half_done(served(by_environ))


@pytest.mark.parametrize("status", [200, 303, 409])
def test_an_application_that_dealt_with_the_fence_itself_keeps_its_answer(run, status):
    def view():
        try:
            run(FENCED)
        except ERRORS:
            return "by another way", status
        raise AssertionError("the fence did not refuse")

    answer = served(view)
    assert (answer.status_code, answer.text) == (status, "by another way")
    assert "X-Fig-Fenced" not in answer.headers


def test_an_applications_own_500_page_about_the_fence_is_replaced(run):
    def view():
        try:
            run(FENCED)
        except ERRORS:
            return "Sorry!", 500
        raise AssertionError("the fence did not refuse")

    assert is_bounce(served(view))


def test_other_errors_are_the_applications_own(run):
    answer = served(view_of(run, "select 1/0"))
    assert answer.status_code == 500
    assert "Internal Server Error" in answer.text
    answer = served(lambda: ("own", 503, {"X-Own": "1"}))
    assert (answer.status_code, answer.text, answer.headers["X-Own"]) == (503, "own", "1")


def test_a_fence_without_a_readable_detail_is_never_a_bounce(run):
    assert is_half_done(served(view_of(run, "insert into unreadable(note) values ('x')")))


def test_nothing_leaks_from_one_request_to_the_next(run):
    assert is_half_done(served(view_of(run, FREE, "commit", FENCED)))
    assert is_bounce(served(view_of(run, FENCED)))
    assert served(lambda: ("own", 500)).text == "own"
    assert current.get() is None


def test_requests_in_many_threads_do_not_see_each_other(run):
    both = threading.Barrier(8)

    def request(number: int):
        def view():
            both.wait(10)
            run(*([FREE, "commit", FENCED], [FENCED], ["select 1"])[number % 3])
            return "fine"

        return served(view)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(request, range(8)))
    judged = [is_half_done, is_bounce, lambda answer: answer.text == "fine"]
    assert all(judged[number % 3](answer) for number, answer in enumerate(answers))


def test_autocommit_counts_as_committed(dsn):
    def view():
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(FREE)
            connection.execute(FENCED)

    def fenced_only():
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select 1")
            connection.execute(FENCED)

    assert is_half_done(served(view))
    assert is_bounce(served(fenced_only))


def test_transaction_blocks_and_copy_of_psycopg_are_seen(dsn):
    def committed():
        with psycopg.connect(dsn, autocommit=True) as connection:
            with connection.transaction():
                connection.execute(FREE)
            connection.execute(FENCED)

    def rolled_back():
        with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
            connection.execute(FREE)
            connection.execute(FENCED)

    def copied():
        with psycopg.connect(dsn) as connection:
            with connection.cursor().copy(sql.SQL("copy free(note) from stdin")) as copy:
                copy.write_row(("x",))
            connection.commit()
            connection.execute(FENCED)

    def copied_into_the_fence():
        with (
            psycopg.connect(dsn) as connection,
            connection.cursor().copy("copy fenced(note) from stdin") as copy,
        ):
            copy.write_row(("x",))

    assert is_half_done(served(committed))
    assert is_bounce(served(rolled_back))
    assert is_half_done(served(copied))
    assert is_bounce(served(copied_into_the_fence))


def test_context_managers_of_wrapped_connections_commit_and_roll_back(dsn):
    def committed():
        with watch(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(FREE)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(FENCED)
        finally:
            connection.close()

    def refused():
        connection = watch(psycopg2.connect(dsn))
        try:
            connection.autocommit = False
            with connection, connection.cursor() as cursor:
                cursor.execute(FREE)
                cursor.execute("select note from free limit 2")
                assert [row[0] for row in cursor] == ["x", "x"]
                cursor.execute(FENCED)
        finally:
            connection.close()

    assert is_half_done(served(committed))
    assert is_bounce(served(refused))


def test_a_streamed_answer_stays_streamed_and_a_streamed_failure_is_handed_back(dsn):
    def slow_fence(environ, start_response):
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        with psycopg.connect(dsn) as connection:
            connection.execute(FENCED)
        yield b"never"

    closed = []

    class Stream:
        def __iter__(self):
            yield b""
            yield b"one"
            yield b"two"

        def close(self):
            closed.append(True)

    def stream(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])(b"zero")
        return Stream()

    def lazy(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    assert is_bounce(Client(guard(slow_fence)).get("/"))
    answer = Client(guard(stream)).get("/")
    assert answer.text == "zeroonetwo"
    answer.close()
    assert closed == [True]
    assert Client(guard(lazy)).get("/").text == "onetwo"


def test_a_head_request_gets_no_body(dsn):
    def application(environ, start_response):
        with psycopg.connect(dsn) as connection:
            connection.execute(FENCED)

    answer = Client(guard(application)).head("/")
    assert is_bounce(answer)
    assert answer.data == b""


def test_a_crash_without_a_fence_stays_a_crash():
    def application(environ, start_response):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Client(guard(application)).get("/")


def make_application(name: str = "made"):
    return flask.Flask(name)


plain = make_application("plain")


@pytest.mark.parametrize("name", ["make_application", "make_application()", "plain"])
def test_a_target_is_a_factory_or_an_application(name):
    counted = guard(f"{__name__}:{name}")
    assert isinstance(counted, Counted)
    assert isinstance(counted.application, Guarded)
    assert isinstance(counted.application.application, Shielded)
    assert isinstance(counted.application.application.application, flask.Flask)


def test_a_target_that_is_neither_is_refused():
    with pytest.raises(TypeError, match="neither"):
        guard(f"{__name__}:FREE")
