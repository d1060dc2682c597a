"""The trace of whoever told an event goes with its message, where consumers of any kind look for it."""

from __future__ import annotations

import json

import pytest

from cdc.outbox.event import message_of
from cdc.outbox.spec import OutboxSpec
from cdc.projection import Table

SPEC = OutboxSpec("payments_outbox_monolith", "payments", "", Table("public", "payments_outbox"), "")
ID, KIND = "1b671a64-40d5-491e-99b0-da01ff1f3341", "order.placed"
GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def headers(**more: object) -> dict[str, str] | None:
    payload = json.dumps({"id": ID, "type": KIND, "data": {}, **more})
    return message_of(SPEC, ID, KIND, payload).headers


def test_an_events_trace_is_a_header_of_its_message() -> None:
    assert headers(traceparent=GIVEN) == {"traceparent": GIVEN}


@pytest.mark.parametrize("given", [None, 7, "", "x", GIVEN.upper(), GIVEN + "\r\nx: y"])
def test_what_is_no_trace_is_left_out_and_stops_nobody(given: object) -> None:
    assert headers(traceparent=given) is None
