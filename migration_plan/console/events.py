"""Server-sent events: pieces of the page, as they are drawn for everybody, whenever one of them has changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping

from flask import Blueprint, Response, stream_with_context

from migration_plan.console import overview as first
from migration_plan.console.live import EVERY
from migration_plan.console.trouble import trouble

pages = Blueprint("events", __name__)
MOST = 32
"""Pages that are told of changes at the same time; one more is shown as it is, and can be loaded again."""
STOPS_AFTER = 300.0
"""Seconds after which a page has to ask again: whoever has lost their role meanwhile is told nothing more."""
_open = threading.BoundedSemaphore(MOST)

Fragments = Callable[[], Mapping[str, str]]


@pages.get("/events")
def overview() -> Response | tuple[str, int]:
    return stream(first.fragments)


def stream(fragments: Fragments, pause: Callable[[], object] | None = None) -> Response | tuple[str, int]:
    """What changes, once a second, or as soon as `pause` returns."""
    if not _open.acquire(blocking=False):
        return trouble("Too many pages are open at once.", "close some of them", 503)
    wait = pause or (lambda: threading.Event().wait(EVERY))
    told = stream_with_context(_told(fragments, wait))
    response = Response(told, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(_open.release)
    return response


def _told(fragments: Fragments, wait: Callable[[], object]) -> Iterator[str]:
    known: dict[str, str] = {}
    yield "retry: 2000\n\n"
    for _ in range(int(STOPS_AFTER / EVERY)):
        now = fragments()
        changed = {name: text for name, text in now.items() if known.get(name) != text}
        known.update(changed)
        # A comment where there is nothing to say: whoever has gone is noticed by it.
        yield f"data: {json.dumps(changed)}\n\n" if changed else ": \n\n"
        wait()
