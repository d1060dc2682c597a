"""Running an entrypoint's method in the worker pool, in the trace that it belongs to, and hearing what it raised.

Nameko writes what a method raises into the log, text included, and the text of an error may hold what people typed;
so it does not get to see it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from eventlet.event import Event as Answer

from extracted.platform import trace


def context_of(traceparent: object) -> dict[str, object]:
    """What a worker is spawned with: nameko sends it on with each call to another service."""
    return {trace.HEADER: traceparent} if traceparent else {}


class Onward(dict[str, object]):
    """A worker's context. Nameko copies it for each message that the worker sends: what is called or told then hangs
    below the step that is under way, not below whoever called this worker. What is no trace is not sent on."""

    def copy(self) -> dict[str, object]:
        return {**self, **context_of(trace.onward())}


def begin_trace(context: dict[str, object]) -> Onward:
    """First in a worker, which has nothing of whoever spawned it: what its context is from now on."""
    onward = Onward(context)
    trace.begin(onward.pop(trace.HEADER, None))
    return onward


def outcome_of(function: Callable[..., None]) -> Callable[..., Exception | None]:
    """The method of a service class, returning what it raises."""

    @wraps(function)
    def run(service: Any, *arguments: Any) -> Exception | None:
        try:
            function(service, *arguments)
        except Exception as error:  # noqa: BLE001  Whoever runs it decides what it means.
            return error
        return None

    return run


def run_in_worker(entrypoint: Any, *arguments: Any, traceparent: str = "") -> None:
    """Wait for the method's end; raises what it raised, or ContainerBeingKilled."""
    answer = Answer()
    context = context_of(traceparent)
    entrypoint.container.spawn_worker(
        entrypoint, arguments, {}, context_data=context, handle_result=partial(_pass_on, answer)
    )
    error = answer.wait()
    if error is not None:
        raise error


def _pass_on(answer: Answer, context: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
    answer.send(result, exc_info)
    return result, exc_info
