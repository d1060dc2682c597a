"""The application that is to be guarded, from what a command line can name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, cast

from .answer import Application


def resolve(target: str | Callable[..., Any]) -> Application:
    """'module:name' or 'module:name()', or the thing itself; a factory is called, an application is not."""
    if isinstance(target, str):
        module, _, name = target.partition(":")
        found = getattr(importlib.import_module(module), name.removesuffix("()") or "application")
    else:
        found = target
    called = found() if _needs_nothing(found) else found
    if not callable(called):
        raise TypeError(f"{target!r} is neither a WSGI application nor a factory of one")
    return cast(Application, called)


def _needs_nothing(found: Callable[..., Any]) -> bool:
    """A factory can be called without arguments; an application wants two."""
    try:
        inspect.signature(found).bind()
    except TypeError:
        return False
    return True
