"""Access to a service's database that never blocks the process.

psycopg 2 is the driver, because it waits through eventlet's hub once the process is monkey patched;
psycopg 3 would stop every other request during a query. Reads are single statements and need no transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from eventlet import patcher
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import InvalidatePoolError

from extracted.platform import shadow
from extracted.platform.errors import SettingWrong
from extracted.platform.problems import ShadowRefused
from extracted.platform.settings import setting

DRIVER = "postgresql+psycopg2"
# A statement and an open transaction end by themselves, even if this process is gone or frozen.
OPTIONS = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=10s -c jit=off"
POOL_PATIENCE_S = 5
SHADOWS = 2
"""Shadow requests at a time; they are the first to go without when there is much to do."""
_select = patcher.original("select")

_committed: ContextVar[bool] = ContextVar("committed", default=False)


def something_was_committed() -> bool:
    """Whether the request that runs now has begun a commit (each request runs in a context of its own)."""
    return _committed.get()


class Database:
    """Two pools: a connection that changed between autocommit and transactions would pay a round trip each time.

    Shadow requests have a small one of their own, whose connections can only read.
    """

    def __init__(self, reading: Engine, writing: Engine, shadow: Engine) -> None:
        self._reading = reading
        self._writing = writing
        self._shadow = shadow

    @classmethod
    def from_environment(cls, name: str, application: str, workers: int) -> Database:
        url = make_url(setting(name))
        if url.drivername != DRIVER:
            raise SettingWrong(name, f"its driver is {url.drivername}", f"begin the URL with {DRIVER}://")
        # Nothing is ever open in autocommit, so there is nothing to reset when a connection comes back.
        bare: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
        reading = _engine(url, application, workers, **bare)
        shadow = _engine(url, application, SHADOWS, f"{OPTIONS} -c default_transaction_read_only=on", **bare)
        return cls(reading, _engine(url, application, workers), shadow)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """For statements that change nothing: no transaction, one round trip each."""
        with (self._shadow if shadow.is_shadow() else self._reading).connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end and rolled back by any exception."""
        if shadow.is_shadow():
            shadow.refuse()
            raise ShadowRefused("A shadow request wanted to write.")
        with self._writing.connect() as connection:
            yield connection
            # Noted before the commit, because the outcome of one that fails is not known.
            _committed.set(True)
            connection.commit()

    def answers(self) -> bool:
        """Whether the server answers a question; raises what the driver raises when it does not."""
        with self.read() as connection:
            return connection.execute(text("select true")).scalar_one() is True

    def close(self) -> None:
        for engine in (self._reading, self._writing, self._shadow):
            engine.dispose()


def _engine(url: URL, application: str, workers: int, settings: str = OPTIONS, **options: Any) -> Engine:
    engine = create_engine(
        url,
        pool_size=workers,
        # For the readiness check, which must not wait for a worker's connection.
        max_overflow=1,
        pool_timeout=POOL_PATIENCE_S,
        # Parameters hold what people typed; they do not belong into a log.
        hide_parameters=True,
        connect_args={"options": settings, "application_name": application},
        **options,
    )
    event.listen(engine, "checkout", _refuse_closed_connection)
    return engine


def _refuse_closed_connection(connection: Any, record: Any, proxy: Any) -> None:
    """An idle connection with something to read was closed by the server: the pool shall make new ones.

    Costs some microseconds; the usual way ("pre-ping") costs a round trip per request.
    """
    watch = _select.poll()
    watch.register(connection.fileno(), _select.POLLIN)
    if watch.poll(0):
        raise InvalidatePoolError("the server has closed this connection")
