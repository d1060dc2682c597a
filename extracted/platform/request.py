"""A request as the entrypoints see it: identity, id and body, each read once and checked."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from functools import cached_property

from werkzeug.wrappers import Request as WsgiRequest
from werkzeug.wrappers import Response

from extracted.platform.identity import Identity, IdentityCheck
from extracted.platform.problems import BodyTooLarge, UnsupportedMediaType
from extracted.platform.validation import Form, read_json, read_query

BODY_LIMIT = 262_144
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Request(WsgiRequest):
    identity_check: IdentityCheck
    route = ""
    fenced: tuple[str, bool] | None = None
    """The domain whose fence it failed at, and whether it is handed back to the proxy."""

    @cached_property
    def finishing(self) -> list[Callable[[Response], None]]:
        """What is done to the answer last, whether it is a refusal or not."""
        return []

    @cached_property
    def id(self) -> str:
        """The id from the proxy; one of our own when there is none or it is not plain."""
        given = self.headers.get("X-Request-Id", "")
        return given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex

    @cached_property
    def identity(self) -> Identity | None:
        return self.identity_check.identity(self.headers.get("X-Identity", ""))

    def json_body(self, form: type[Form]) -> Form:
        if self.mimetype != "application/json":
            raise UnsupportedMediaType("The body has to be application/json.")
        return read_json(form, self.body())

    def body(self) -> bytes:
        """As it was sent."""
        too_large = BodyTooLarge(f"A body is at most {BODY_LIMIT:,} bytes.")
        if (self.content_length or 0) > BODY_LIMIT:
            raise too_large
        # A chunked body says its length by its end only.
        body = self.stream.read(BODY_LIMIT + 1)
        if len(body) > BODY_LIMIT:
            raise too_large
        return body

    def query(self, form: type[Form]) -> Form:
        return read_query(form, self.args)
