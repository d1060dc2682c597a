"""A service without a domain and without a broker, for claims about the chassis alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import eventlet
from sqlalchemy import text
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.http import http
from extracted.platform.offload import in_thread
from extracted.platform.problems import document
from extracted.platform.request import Request


def ticks_during(action: Callable[[], object]) -> int:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            eventlet.sleep(0.01)
            ticks += 1

    ticker = eventlet.spawn(tick)
    action()
    ticker.kill()
    return ticks


class ProbeService:
    name = "probe"

    database: Database = DatabaseOf("CATALOG_DATABASE_URL")

    @http("GET", "/ticks")
    def ticks(self, request: Request) -> Response:
        """How often a greenthread that wakes every 10 ms could run during a query of half a second."""

        def query() -> None:
            with self.database.read() as connection:
                connection.execute(text("select pg_sleep(0.5)"))

        return document({"ticks": ticks_during(query)})

    @http("GET", "/ticks-while-hashing")
    def ticks_while_hashing(self, request: Request) -> Response:
        """The same during a hash that takes some tenths of a second."""
        hashing = partial(in_thread, generate_password_hash, "a password", "scrypt:131072:8:1")
        return document({"ticks": ticks_during(hashing)})

    @http("POST", "/slow")
    def slow(self, request: Request) -> Response:
        with self.database.read() as connection:
            connection.execute(text("select pg_sleep(0.05)"))
        return document({"done": True})

    @http("GET", "/sleep/<id:seconds>")
    def sleep(self, request: Request, seconds: int) -> Response:
        eventlet.sleep(seconds)
        return document({"slept": seconds})

    @http("GET", "/quick")
    def quick(self, request: Request) -> Response:
        return document({"done": True})

    @http("GET", "/fails")
    def fails(self, request: Request) -> Response:
        raise KeyError("a secret of ours")

    @http("POST", "/twice")
    def twice(self, request: Request) -> Response:
        """Commits once and is then refused by the fence."""
        with self.database.write() as connection:
            connection.execute(text("select 1"))
        with self.database.write() as connection:
            connection.execute(text("update inventory set available = available"))
        return document({"done": True})

    @http("GET", "/sly")
    def sly(self, request: Request) -> Response:
        """A read that writes, past the way that is meant for writing."""
        with self.database.read() as connection:
            connection.execute(text("create table sly (id int)"))
        return document({"done": True})
