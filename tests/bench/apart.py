"""Work in a process of its own: whoever measures must not share an interpreter with what is measured beside it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any

from tests.support.waiting import wait_until

Work = Callable[..., None]
"""Takes an event to set when it has begun and one that tells it to end, and whatever else it was given."""

_SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def apart(work: Work, *more: Any) -> Iterator[None]:
    """`work` beside the block, from its beginning to its end; RuntimeError if it failed. All it takes is picklable."""
    begun: Event = _SPAWN.Event()
    stop: Event = _SPAWN.Event()
    process = _SPAWN.Process(target=work, args=(begun, stop, *more))
    process.start()
    try:
        wait_until(lambda: begun.is_set() or process.exitcode is not None, 60, f"{work.__name__} begins")
        yield
    finally:
        stop.set()
        process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
