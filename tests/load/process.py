"""The crowd in a process of its own, so that whoever measures does not wait for whoever is measured."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from tests.load.crowd import Crowd, Size
from tests.load.figures import Figures, Sample
from tests.support.history import Operation


class CrowdStumbled(AssertionError):
    """The crowd's process reports an error of its own."""


@dataclass(frozen=True)
class Collected:
    """What happened since the last time somebody asked."""

    operations: list[Operation]
    samples: list[Sample]
    cpu_seconds: float
    """What the crowd itself has used so far."""


class CrowdProcess:
    """The same calls as `Crowd`; usable from several threads."""

    def __init__(self, url: str, size: Size) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, url, size), name="crowd", daemon=True)
        self._process.start()
        theirs.close()
        self._turn = threading.Lock()

    def __enter__(self) -> CrowdProcess:
        self._ask("enter")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def walk(self) -> None:
        self._ask("walk")

    def pause(self) -> None:
        self._ask("pause")

    def count(self) -> Figures:
        figures = self._ask("count")
        assert isinstance(figures, Figures)
        return figures

    def collect(self) -> Collected:
        collected = self._ask("collect")
        assert isinstance(collected, Collected)
        return collected

    def stop(self) -> None:
        """End the process, whatever its people are doing; what was not collected is lost."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._pipe.close()

    def _ask(self, name: str) -> Any:
        with self._turn:
            try:
                self._pipe.send(name)
                worked, answer = self._pipe.recv()
            except (EOFError, BrokenPipeError) as error:
                raise CrowdStumbled(f"the crowd's process has ended with {self._process.exitcode}") from error
        if not worked:
            raise CrowdStumbled(answer)
        return answer


def serve(pipe: Connection, url: str, size: Size) -> None:
    """The child: obeys until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    crowd = _Service(url, size)
    while True:
        try:
            name = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, getattr(crowd, name)()))
        except (AssertionError, RuntimeError, OSError) as error:
            cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
            pipe.send((False, f"{type(error).__name__}: {error}{cause}"))


class _Service(Crowd):
    def __init__(self, url: str, size: Size) -> None:
        super().__init__(url, size)
        self._collected = [(0, 0)] * len(self.people)

    def collect(self) -> Collected:
        operations: list[Operation] = []
        samples: list[Sample] = []
        for number, person in enumerate(self.people):
            seen, measured = self._collected[number]
            operations += person.operations[seen:]
            samples += person.samples[measured:]
            self._collected[number] = (len(person.operations), len(person.samples))
        times = os.times()
        return Collected(operations, samples, times.user + times.system)
