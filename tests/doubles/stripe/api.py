"""Stripe's HTTP: keys checked, idempotency kept, one request at a time let at the account, events sent on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request
from pydantic import BaseModel, ConfigDict

from tests.doubles.stripe import browser, shapes
from tests.doubles.stripe.account import Account
from tests.doubles.stripe.errors import NotFound, Refusal, WrongApiKey
from tests.doubles.stripe.events import DEFAULT_API_VERSION, Cause, event
from tests.doubles.stripe.idempotency import Answer, Keys
from tests.doubles.stripe.objects import Intent, new_id
from tests.doubles.stripe.operations import GETS, POSTS, Operation
from tests.doubles.stripe.parameters import Parameters, nested
from tests.doubles.stripe.schedule import Delivery, Disorder, Endpoint
from tests.doubles.stripe.webhooks import Webhooks
from tests.doubles.web import Double, Part, pause_if_told


class Authentication(BaseModel):
    model_config = ConfigDict(extra="forbid")

    passed: bool


class StripeDouble:
    """The account, its idempotency keys and events, behind HTTP."""

    def __init__(self, public_url: str, api_key: str, webhooks: Webhooks) -> None:
        self._public_url, self._api_key, self._webhooks = public_url, api_key, webhooks
        self._lock = threading.Lock()
        self._start_over()
        self._double = Double("stripe", self._parts(), self._lock, self._reset, _error_body)
        for path, operation in POSTS.items():
            self._route(path, "POST", operation)
        for path, operation in GETS.items():
            self._route(path, "GET", operation)
        self._double.app.register_error_handler(HTTPStatus.NOT_FOUND, self._unknown_url)
        self._double.app.register_blueprint(browser.routes(self._pay_in_browser))
        self._add_owner_page(self._double.app)
        self._add_control(self._double.control)

    def app(self) -> Flask:
        return self._double.ready()

    # State

    def _start_over(self) -> None:
        """New ones, not emptied ones: a request that is still in progress ends with the old."""
        self._account, self._keys = Account(self._public_url), Keys()
        self._events: dict[str, str] = {}

    def _reset(self) -> None:
        with self._lock:
            self._webhooks.reset()
            self._start_over()

    def _parts(self) -> dict[str, Part]:
        def intent(one: Intent) -> shapes.Shape:
            return shapes.intent(one, self._public_url, ["latest_charge"])

        return {
            "intents": Part(lambda: self._account.intents.values(), intent),
            "charges": Part(lambda: self._account.charges.values(), shapes.charge),
            "refunds": Part(lambda: self._account.refunds.values(), shapes.refund),
            "events": Part(lambda: self._events.values(), json.loads),
            "deliveries": Part(self._webhooks.deliveries, Delivery.described),
            "keys_in_use": Part(lambda: self._keys.in_use(), str),
        }

    def _pass_on_news(self, account: Account, cause: Cause) -> None:
        """With the lock held, so that events leave in the order in which things happened."""
        if account is not self._account:
            return
        for event_type, about in account.take_news():
            one = event(event_type, about, int(time.time()), cause)
            payload = self._events[one["id"]] = json.dumps(one, indent=2)
            self._webhooks.accept(payload)

    # The API

    def _route(self, path: str, method: str, operation: Operation) -> None:
        def view(object_id: str = "") -> Response:
            return self._answer(operation, object_id)

        name = f"{method} {path}".replace(".", "_")
        self._double.app.add_url_rule(path.replace("{}", "<object_id>"), name, view, methods=[method])

    def _answer(self, operation: Operation, object_id: str) -> Response:
        request_id = new_id("req")
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        with self._lock:
            account, keys = self._account, self._keys
        saved = None
        try:
            self._check_api_key()
            saved = keys.begin(key, self._fingerprint()) if key else None
        except Refusal as refusal:
            answer = self._refused(refusal, request_id)
        else:
            answer = saved or self._first(lambda: self._work(account, operation, object_id, request_id, key), keys, key)
        response = Response(answer.body, answer.status, content_type="application/json")
        response.headers["Request-Id"] = request_id
        if key:
            response.headers["Idempotency-Key"] = key
        if saved:
            response.headers["Idempotent-Replayed"] = "true"
            response.headers["Original-Request"] = saved.request_id
        return response

    @staticmethod
    def _first(work: Callable[[], Answer], keys: Keys, key: str | None) -> Answer:
        """Work, and let the key remember what came of it."""
        answer = None
        try:
            pause_if_told()
            answer = work()
            return answer
        finally:
            if key and answer and answer.executed:
                keys.finish(key, answer)
            elif key:
                keys.forget(key)

    def _work(self, account: Account, operation: Operation, object_id: str, request_id: str, key: str | None) -> Answer:
        pairs = request.form if request.method == "POST" else request.args
        version = request.headers.get("Stripe-Version", DEFAULT_API_VERSION)
        with self._lock:
            try:
                parameters = Parameters(nested(pairs.items(multi=True)))
                shape = operation(account, parameters, object_id)
                return Answer(200, json.dumps(shape, indent=2), request_id)
            except Refusal as refusal:
                return self._refused(refusal, request_id)
            finally:
                self._pass_on_news(account, Cause(request_id, key, version))

    def _refused(self, refusal: Refusal, request_id: str) -> Answer:
        body = json.dumps(shapes.refusal(refusal, self._public_url), indent=2)
        return Answer(refusal.status, body, request_id, refusal.executed)

    def _check_api_key(self) -> None:
        authorization = request.authorization
        given = None
        if authorization:
            # curl -u sk_test_…: is as good as a bearer token.
            given = authorization.token if authorization.type == "bearer" else authorization.username
        if given is None:
            raise WrongApiKey("You did not provide an API key.")
        if given != self._api_key:
            raise WrongApiKey(f"Invalid API Key provided: {given[:8]}****{given[-4:]}")

    @staticmethod
    def _fingerprint() -> object:
        return request.method, request.path, tuple(sorted(request.form.items(multi=True)))

    @staticmethod
    def _unknown_url(_: Exception) -> tuple[Response, int]:
        message = f"Unrecognized request URL ({request.method}: {request.path}); this double does not play it."
        return jsonify({"error": {"type": "invalid_request_error", "message": message}}), 404

    # The browser, the card's owner, and control

    def _pay_in_browser(
        self, intent_id: str, method: str, return_url: str, is_secret: Callable[[str], bool]
    ) -> shapes.Shape:
        with self._lock:
            account = self._account
            try:
                intent = account.intent(intent_id)
                if not is_secret(f"{intent.id}_secret_{intent.secret}"):
                    raise browser.not_yours(intent_id)
                account.confirm(intent, account.method(method), return_url or None)
                return shapes.intent(intent, self._public_url)
            finally:
                self._pass_on_news(account, Cause())

    def _authenticate(self, intent_id: str, passed: bool) -> Intent:
        with self._lock:
            intent = self._account.authenticate(self._account.intent(intent_id), passed)
            self._pass_on_news(self._account, Cause())
            return intent

    def _add_owner_page(self, app: Flask) -> None:
        @app.get("/3ds/<intent_id>")
        def ask_owner(intent_id: str) -> str:
            with self._lock:
                shape = shapes.intent(self._account.intent(intent_id), self._public_url)
            return render_template("owner.html", intent=shape)

        @app.post("/3ds/<intent_id>")
        def owner_answers(intent_id: str) -> Any:
            intent = self._authenticate(intent_id, request.form.get("passed") == "yes")
            if not intent.return_url:
                return render_template("owner.html", intent=shapes.intent(intent, self._public_url))
            mark = "&" if "?" in intent.return_url else "?"
            status = "succeeded" if intent.status == "succeeded" else "failed"
            secret = f"{intent.id}_secret_{intent.secret}"
            query = f"payment_intent={intent.id}&payment_intent_client_secret={secret}&redirect_status={status}"
            return redirect(f"{intent.return_url}{mark}{query}", HTTPStatus.SEE_OTHER)

        app.register_error_handler(Refusal, self._refuse_owner)

    def _refuse_owner(self, refusal: Refusal) -> tuple[Response, int]:
        return jsonify(shapes.refusal(refusal, self._public_url)), refusal.status

    def _add_control(self, control: Blueprint) -> None:
        @control.post("/_control/intents/<intent_id>/authenticate")
        def authenticate(intent_id: str) -> Response:
            answer = Authentication.model_validate(request.get_json())
            return jsonify(shapes.intent(self._authenticate(intent_id, answer.passed), self._public_url))

        @control.put("/_control/webhooks/endpoint")
        def send_to() -> Response:
            self._webhooks.send_to(Endpoint.model_validate(request.get_json()))
            return jsonify({})

        @control.put("/_control/webhooks/disorder")
        def disturb() -> Response:
            self._webhooks.disturb(Disorder.model_validate(request.get_json()))
            return jsonify({})

        @control.post("/_control/webhooks/release")
        def release() -> Response:
            self._webhooks.release()
            return jsonify({})

        @control.post("/_control/webhooks/resend/<event_id>")
        def resend(event_id: str) -> Response:
            payload = self._events.get(event_id)
            if payload is None:
                raise NotFound(f"No such event: '{event_id}'", code="resource_missing")
            self._webhooks.accept(payload, Disorder())
            return jsonify({})


def _error_body(status: int) -> dict[str, Any]:
    """What Stripe says when it is told to fail."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}
    return {"error": {"type": "api_error", "message": "Something went wrong on Stripe's end."}}
