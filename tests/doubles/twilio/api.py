"""Twilio's HTTP: credentials checked, messages sent, listed in pages, and looked up."""

from __future__ import annotations

import hmac
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, request

from tests.doubles.twilio.messages import API, Messages, Refusal, shape
from tests.doubles.web import Double, Part, pause_if_told

_LARGEST_PAGE = 1000


def _error_body(status: int) -> dict[str, Any]:
    """What Twilio says when it is told to fail."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refusal(20429, "Too Many Requests", status).body()
    return Refusal(20500, "An internal server error has occurred", status).body()


class TwilioDouble:
    """One account's messages behind HTTP."""

    def __init__(self, account_sid: str, auth_token: str) -> None:
        self._account_sid, self._auth_token = account_sid, auth_token
        self._lock = threading.Lock()
        self._messages = Messages()
        kept = Part(lambda: self._messages.all, lambda one: shape(one, account_sid, "delivered"))
        self._double = Double("twilio", {"messages": kept}, self._lock, self._reset, _error_body)
        app = self._double.app
        messages = f"{API}/Accounts/<account>/Messages"
        app.add_url_rule(f"{messages}.json", "send", self._send, methods=["POST"])
        app.add_url_rule(f"{messages}.json", "list", self._list, methods=["GET"])
        app.add_url_rule(f"{messages}/<sid>.json", "get", self._get, methods=["GET"])
        app.register_error_handler(Refusal, lambda refusal: (jsonify(refusal.body()), int(refusal.status)))

    def app(self) -> Flask:
        return self._double.ready()

    def _reset(self) -> None:
        with self._lock:
            self._messages = Messages()

    def _check(self, account: str) -> None:
        given = request.authorization
        user, password = (given.username or "", given.password or "") if given else ("", "")
        if user != self._account_sid or not hmac.compare_digest(password.encode(), self._auth_token.encode()):
            raise Refusal(20003, "Authenticate", HTTPStatus.UNAUTHORIZED)
        if account != self._account_sid:
            raise Refusal(20404, f"The requested resource {request.path} was not found", HTTPStatus.NOT_FOUND)

    def _send(self, account: str) -> tuple[Response, int]:
        self._check(account)
        # After a reset there are others, so that nothing comes late.
        messages = self._messages
        pause_if_told()
        with self._lock:
            message = messages.send(request.form)
        return jsonify(shape(message, account, "queued")), HTTPStatus.CREATED

    def _get(self, account: str, sid: str) -> Response:
        self._check(account)
        pause_if_told()
        with self._lock:
            return jsonify(shape(self._messages.by_sid(sid), account, "delivered"))

    def _list(self, account: str) -> Response:
        self._check(account)
        pause_if_told()
        number, size = _count("Page", 0), max(1, min(_count("PageSize", 50), _LARGEST_PAGE))
        with self._lock:
            found = self._messages.found(request.args)
        start = number * size
        rows = found[start : start + size]
        more = start + size < len(found)
        return jsonify(
            {
                "messages": [shape(one, account, "delivered") for one in rows],
                "page": number,
                "page_size": size,
                "start": start,
                "end": start + max(len(rows) - 1, 0),
                "uri": _uri(number, size),
                "first_page_uri": _uri(0, size),
                "next_page_uri": _uri(number + 1, size) if more else None,
                "previous_page_uri": _uri(number - 1, size) if number else None,
            }
        )


def _count(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdigit():
        raise Refusal(20001, f"Invalid {name}: {text}")
    return int(text)


def _uri(page: int, size: int) -> str:
    query = {**request.args.to_dict(), "Page": str(page), "PageSize": str(size)}
    return f"{request.path}?{urlencode(query)}"
