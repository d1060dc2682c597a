"""What all doubles share over HTTP: `/livez`, the control API, the page, and failing on command.

A double adds its own routes to `Double.app`. Requests to those are noted and may be made to fail; requests to
`/livez`, `/_control/…` and the page never are.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, g, jsonify, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import NotFound

from tests.doubles.faults import Fault, Faults, Kind, Seen
from tests.doubles.received import Received

# What people and tests may want to see of a request's headers; credentials are left out.
_SHOWN_HEADERS = ("Idempotency-Key", "Stripe-Version", "X-Request-Id", "Traceparent", "User-Agent")
_SHOWN_ON_PAGE = 100


@dataclass(frozen=True)
class Part:
    """One kind of thing that a double keeps, oldest first, and how one of them is shown."""

    rows: Callable[[], Iterable[Any]]
    shape: Callable[[Any], Any]

    def count(self) -> int:
        return len(list(self.rows()))

    def all(self) -> list[Any]:
        return [self.shape(row) for row in self.rows()]

    def newest(self, count: int) -> list[Any]:
        return [self.shape(row) for row in list(self.rows())[-count:][::-1]]


class Double:
    """A Flask application with faults, a record and a control API; `parts` and `reset` are the double's own.

    `lock` is held while parts are shown, so that nothing is seen half done.
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, Part],
        lock: threading.Lock,
        reset: Callable[[], None],
        error_body: Callable[[int], dict[str, Any]],
    ) -> None:
        self.name = name
        self.faults = Faults()
        self.received = Received()
        self._parts, self._lock = parts, lock
        self._reset, self._error_body = reset, error_body
        self.app = Flask("tests.doubles", template_folder="templates")
        self.app.json.sort_keys = False  # type: ignore[attr-defined]
        self.control = self._control_api()
        self.app.before_request(self._before)
        self.app.after_request(self._after)

    def ready(self) -> Flask:
        """The application, once the double has added its routes (to `app`, or to `control`)."""
        self.app.register_blueprint(self.control)
        return self.app

    def _before(self) -> Response | None:
        if request.blueprint == "control":
            return None
        seen = Seen(request.method, request.path, {**request.args.to_dict(), **request.form.to_dict()})
        fault = self.faults.take(seen)
        headers = {name: request.headers[name] for name in _SHOWN_HEADERS if name in request.headers}
        g.entry = self.received.note(seen, headers, fault)
        g.fault = fault
        match fault.kind if fault else None:
            case Kind.DROP:
                return hang_up()
            case Kind.ERROR:
                return self._refusal(g.fault.status or 500)
            case Kind.RATE_LIMITED:
                return self._refusal(429)
        return None

    def _refusal(self, status: int) -> Response:
        answer = jsonify(self._error_body(status))
        answer.status_code = status
        return answer

    def _after(self, answer: Response) -> Response:
        entry, fault = g.get("entry"), g.get("fault")
        if entry is None:
            return answer
        if fault and fault.kind is Kind.LOST:
            entry.not_answered(done=True)
            return hang_up()
        if fault and fault.kind is Kind.DROP:
            entry.not_answered(done=False)
        else:
            entry.answered(answer.status_code)
        return answer

    def _control_api(self) -> Blueprint:
        control = Blueprint("control", __name__)

        @control.get("/livez")
        def livez() -> Response:
            return jsonify({"status": "alive"})

        @control.get("/")
        def page() -> str:
            with self._lock:
                newest = {name: part.newest(_SHOWN_ON_PAGE) for name, part in self._parts.items()}
                counts = {name: part.count() for name, part in self._parts.items()}
            received = self.received.listed(newest=_SHOWN_ON_PAGE)
            faults = self.faults.listed()
            return render_template(f"{self.name}.html", newest=newest, counts=counts, received=received, faults=faults)

        @control.get("/_control/received")
        def received() -> Response:
            return jsonify(self.received.listed())

        @control.get("/_control/state/<part>")
        def state(part: str) -> Response:
            if part not in self._parts:
                raise NotFound(f"{self.name} keeps {', '.join(self._parts)}")
            with self._lock:
                return jsonify(self._parts[part].all())

        @control.get("/_control/faults")
        def faults() -> Response:
            return jsonify(self.faults.listed())

        @control.post("/_control/faults")
        def add_fault() -> Response:
            self.faults.add(Fault.model_validate(request.get_json()))
            return jsonify(self.faults.listed())

        @control.delete("/_control/faults")
        def clear_faults() -> Response:
            self.faults.clear()
            return jsonify([])

        @control.post("/_control/reset")
        def reset() -> Response:
            self.faults.clear()
            self._reset()
            self.received.clear()
            return jsonify({})

        @control.errorhandler(ValidationError)
        def not_understood(error: ValidationError) -> tuple[Response, int]:
            return jsonify({"detail": error.errors(include_url=False, include_context=False, include_input=False)}), 422

        return control


def pause_if_told() -> None:
    """Called by a double where the work of a request begins: what is in progress stays so for a while."""
    fault = g.get("fault")
    if fault and fault.kind is Kind.SLOW:
        time.sleep(fault.seconds)


def hang_up() -> Response:
    """End the caller's connection now; the answer that is returned reaches nobody."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
