"""Connections wrapped by hand, of any DB-API driver. What is not named here goes to the real object."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from .request import committed, executed, reporting, rolled_back

shield: Callable[[Any], None] | None = None
"""Makes a watched connection read only where that is asked for; `guard` puts it here."""


def watch(connection: Any) -> Any:
    """A DB-API connection that reports what happens on it; use it in place of `connection`."""
    return _WatchedConnection(connection, connection)


class _Watched:
    def __init__(self, inner: Any, connection: Any) -> None:
        # Past __setattr__, which is for the real object.
        self.__dict__.update(_inner=inner, _connection=connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._inner, name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self


class _WatchedConnection(_Watched):
    def cursor(self, *arguments: Any, **options: Any) -> Any:
        return _WatchedCursor(self._inner.cursor(*arguments, **options), self._inner)

    def commit(self) -> None:
        with reporting():
            self._inner.commit()
        committed(self._inner)

    def rollback(self) -> None:
        self._inner.rollback()
        rolled_back(self._inner)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        with reporting():
            handled = self._inner.__exit__(kind, error, trace)
        (rolled_back if kind else committed)(self._inner)
        return handled


class _WatchedCursor(_Watched):
    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        return self._inner.__exit__(kind, error, trace)

    def _run(self, name: str, statement: Any, *arguments: Any, **options: Any) -> Any:
        if shield is not None:
            shield(self._connection)
        with reporting():
            result = getattr(self._inner, name)(statement, *arguments, **options)
        executed(self._connection, "call" if name == "callproc" else statement)
        return self if result is self._inner else result

    execute = functools.partialmethod(_run, "execute")
    executemany = functools.partialmethod(_run, "executemany")
    callproc = functools.partialmethod(_run, "callproc")
    copy_expert = functools.partialmethod(_run, "copy_expert")
