"""One request and what happened in the databases during it: watched connections report here.

The fence it met, and whether something is committed or begun outside, decide the answer (answer.py).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from . import statements

Environ = dict[str, Any]

FENCED = "SF421"
_READ_ONLY = "25006"  # A write in a transaction that may only read.
_DOMAIN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
log = logging.getLogger("fig.middleware")


class EffectRefused(Exception):
    """A shadow request began an effect outside; the answer will say so, even if the application swallows this."""


@dataclass
class Request:
    """What happened in the databases during one request."""

    fence: tuple[str, int] | None = None  # The last fence met: it is the one that most likely made the request fail.
    refused: bool = False
    done: bool = False  # Something is committed, or begun outside: the request must not be repeated.
    writing: set[int] = field(default_factory=set)  # Connections with writes that are not committed.
    shadow: Environ | None = None  # Its environ, if this is a shadow request.

    def begin_effect(self) -> None:
        if self.shadow is not None:
            self.shadow["fig.shadow_refused"] = True
            raise EffectRefused("a shadow request must have no effect outside")
        self.done = True


current: ContextVar[Request | None] = ContextVar("fig_request", default=None)


def begin_effect() -> None:
    """Say, before an effect outside that must not happen twice, that this request cannot be repeated from now on."""
    request = current.get()
    if request:
        request.begin_effect()


def executed(connection: Any, statement: object) -> None:
    """A statement succeeded."""
    request = current.get()
    if request is None:
        return
    said = statements.text(statement, connection)
    if not statements.READING.match(said):
        request.writing.add(id(connection))
    if statements.UNDOING.match(said):
        request.writing.discard(id(connection))
    elif statements.is_idle(connection):
        # Autocommit, or a COMMIT in plain SQL.
        committed(connection)


def committed(connection: Any) -> None:
    """A transaction ended well; it counts if there was a write in it."""
    request = current.get()
    if request and id(connection) in request.writing:
        request.writing.discard(id(connection))
        request.done = True


def rolled_back(connection: Any) -> None:
    """A transaction left nothing behind."""
    request = current.get()
    if request:
        request.writing.discard(id(connection))


def failed(error: BaseException | None) -> None:
    """Take note if this is the fence's error; an unreadable DETAIL still refuses, but names no domain."""
    request = current.get()
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if request is not None and request.shadow is not None and code == _READ_ONLY:
        request.shadow["fig.shadow_refused"] = True
    if request is None or code != FENCED:
        return
    request.refused, request.fence = True, None
    try:
        detail = json.loads(getattr(getattr(error, "diag", None), "message_detail", None) or "")
        domain, epoch = detail["domain"], detail["epoch"]
    except (ValueError, KeyError, TypeError):
        log.error("a fence's error has no readable DETAIL: %s", error)
        return
    if isinstance(domain, str) and _DOMAIN.fullmatch(domain) and type(epoch) is int and epoch >= 0:
        request.fence = (domain, epoch)


@contextmanager
def reporting() -> Iterator[None]:
    """What fails in the block is reported, and fails on."""
    try:
        yield
    except Exception as error:
        failed(error)
        raise
