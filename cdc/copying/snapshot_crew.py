"""Work for several workers at once; the first error ends it for all of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from cdc.copying.pump import Stopped
from cdc.copying.snapshot_worker import Worker

TELL_EVERY = 0.25
"""Seconds."""

Item = TypeVar("Item")


def run_all(
    workers: Sequence[Worker],
    act: Callable[[Worker, Item], None],
    items: Iterable[Item],
    tell: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Every item once, by whichever worker is free. `tell` is called now and then, in this thread."""
    waiting = deque(items)

    def work(worker: Worker) -> None:
        while waiting and not stop.is_set():
            try:
                item = waiting.popleft()
            except IndexError:
                return
            act(worker, item)

    with ThreadPoolExecutor(len(workers), "fig-snapshot") as threads:
        running = [threads.submit(work, worker) for worker in workers[: max(1, len(waiting))]]
        try:
            while wait(running, TELL_EVERY, FIRST_EXCEPTION).not_done:
                tell()
                if any(future.done() and future.exception() for future in running):
                    break
        finally:
            if any(not future.done() or future.exception() for future in running):
                stop.set()
                for worker in workers:
                    worker.cancel()
    errors = [error for future in running if (error := future.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
