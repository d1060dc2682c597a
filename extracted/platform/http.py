"""The HTTP entrypoint of the services: `@http("GET", "/api/…")` on a method that takes a Request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import eventlet
from eventlet.event import Event
from nameko.exceptions import ContainerBeingKilled
from nameko.web.handlers import HttpRequestHandler
from werkzeug.wrappers import Response

from extracted.platform import trace
from extracted.platform.answers import answer, refuse
from extracted.platform.problems import REFUSALS, Unavailable
from extracted.platform.request import Request
from extracted.platform.web_server import DrainingServer
from extracted.platform.workers import context_of

log = logging.getLogger(__name__)

DEADLINE_S = 10.0


class HttpEntrypoint(HttpRequestHandler):  # type: ignore[misc,unused-ignore]
    server = DrainingServer()

    def handle_request(self, request: Request, values: Mapping[str, Any]) -> Response:
        """Run the method in the worker pool and wait for its answer."""
        answered = Event()
        context = context_of(request.headers.get(trace.HEADER))
        try:
            self.container.spawn_worker(
                self, (request, values), {}, context_data=context, handle_result=partial(_pass_on, answered)
            )
        except ContainerBeingKilled:
            return refuse(Unavailable("The service is stopping."))
        response: Response = answered.wait()
        return response

    def stop(self) -> None:
        # Before anything else is taken down.
        self.server.drain()
        super().stop()


def _pass_on(answered: Event, context: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
    answered.send(result, exc_info)
    return result, exc_info


def http(method: str, path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """An entrypoint whose every outcome is an HTTP answer, within a deadline.

    The service's class may have `refusals`: which of its refusals means which HTTP status.
    """

    def decorate(function: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(function)
        def serve(service: Any, request: Request, values: Mapping[str, Any]) -> Response:
            refusals = {**REFUSALS, **getattr(service, "refusals", {})}
            deadline = eventlet.Timeout(DEADLINE_S)
            try:
                return answer(partial(function, service), request, values, refusals)
            except eventlet.Timeout as passed:
                if passed is not deadline:
                    raise
                log.error("no answer within %s s", DEADLINE_S, extra={"route": request.route})
                return refuse(Unavailable("The request took too long."))
            finally:
                deadline.cancel()

        entrypoint: Callable[..., Response] = HttpEntrypoint.decorator(method, path)(serve)
        return entrypoint

    return decorate
