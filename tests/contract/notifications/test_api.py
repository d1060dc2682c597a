"""Messages as their receivers read them, and what they choose: the same on both sides."""

from __future__ import annotations

import base64
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.notifications.sides import MESSAGES, NUMBER, PREFERENCES, UNREAD, Side, problem

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
DEFAULTS = {"email": {"orders": True, "sales": True, "account": True}, "sms": {"orders": False, "sales": False}}


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


def test_choices_are_kept_one_by_one(side: Side) -> None:
    somebody = side.person()
    assert somebody.get(PREFERENCES).json() == DEFAULTS
    assert somebody.send("PATCH", PREFERENCES, {}).json() == DEFAULTS
    somebody.choose(email={"sales": False})
    somebody.choose(sms={"orders": True}, email={})
    chosen = {"email": {**DEFAULTS["email"], "sales": False}, "sms": {"orders": True, "sales": False}}
    assert somebody.get(PREFERENCES).json() == chosen
    somebody.choose(email={"sales": True, "account": False}, sms={"sales": True})
    chosen = {"email": {**DEFAULTS["email"], "account": False}, "sms": {"orders": True, "sales": True}}
    assert somebody.get(PREFERENCES).json() == chosen
    assert side.person().get(PREFERENCES).json() == DEFAULTS


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sms": {"account": True}}, 422, "invalid-fields"), ({"email": {"orders": None}}, 422, "invalid-fields"),
        ({"email": {"orders": 1}}, 422, "invalid-fields"), ({"email": {"orders": "true"}}, 422, "invalid-fields"),
        ({"email": None}, 422, "invalid-fields"), ({"post": {}}, 422, "invalid-fields"), ([], 422, "invalid-fields"),
        (b"{", 400, "malformed-request"),
    ],
)  # fmt: skip
def test_wrong_choices_are_refused_and_change_nothing(side: Side, body: object, status: int, code: str) -> None:
    somebody = side.person()
    # A client sends bytes as they are, and everything else as JSON.
    answer = somebody.send("PATCH", PREFERENCES, body)
    assert problem(answer) == (status, code)
    assert somebody.get(PREFERENCES).json() == DEFAULTS


def test_a_message_has_exactly_these_members(side: Side) -> None:
    somebody = side.person()
    side.happen(somebody)
    [message] = somebody.messages()["items"]
    assert uuid.UUID(message.pop("id"))
    assert MOMENT.fullmatch(message.pop("created_at"))
    # It may be under way by now.
    assert message.pop("state") in ("pending", "sending", "sent")
    message.pop("sent_at")
    assert message == {
        "kind": "order.paid",
        "channel": "email",
        "subject": "Order 7 is paid",
        "text": "We have received your payment of 24.68 EUR for order 7. The sellers know, and will send your goods.",
        "is_read": False,
    }


def test_pages_join_without_a_gap_also_where_moments_are_equal(side: Side) -> None:
    somebody = side.person()
    for _ in range(7):
        side.happen(somebody)
    side.query(f"update {side.names.messages} set created_at = '2026-01-01 12:00+00'")
    side.work()
    whole = somebody.messages()["items"]
    seen: list[Any] = []
    following: str | None = ""
    while following is not None:
        page = somebody.messages(f"?limit=3&cursor={following}" if following else "?limit=3")
        seen += page["items"]
        following = page["next_cursor"]
    assert (seen, len(seen)) == (whole, 7)


def test_messages_are_listed_in_the_order_in_which_things_happened_not_in_which_they_were_heard(side: Side) -> None:
    somebody = side.person()
    for minutes, kind in ((2, "order.paid"), (3, "order.placed"), (1, "order.cancelled"), (-5, "order.expired")):
        side.happen(somebody, kind, timedelta(minutes=minutes))
    side.work()
    items = somebody.messages()["items"]
    assert [one["kind"] for one in items] == ["order.expired", "order.cancelled", "order.paid", "order.placed"]
    # Somebody's clock may be ahead.
    assert datetime.fromisoformat(items[0]["created_at"]) <= datetime.now(UTC)


def test_both_sides_read_each_others_cursors(both: dict[str, Side]) -> None:
    pages = {}
    for name, one in both.items():
        one.reset()
        somebody = one.person()
        for number in range(4):
            event = one.happen(somebody)
            one.query(
                f"update {one.names.messages} set created_at = %s where event_id = %s",
                f"2026-01-0{number + 1} 12:00:00.5+00", event["id"],
            )  # fmt: skip
        one.work()
        pages[name] = somebody, somebody.messages("?limit=2")
    for here, there in (("monolith", "service"), ("service", "monolith")):
        somebody, _ = pages[here]
        cut = pages[there][1]["next_cursor"]
        moments = [message["created_at"] for message in somebody.messages(f"?cursor={cut}")["items"]]
        # The other side's third newest, or ours with a smaller id.
        assert set(moments) <= {f"2026-01-0{day}T12:00:00.500000Z" for day in (3, 2, 1)}
        assert {"2026-01-02T12:00:00.500000Z", "2026-01-01T12:00:00.500000Z"} <= set(moments)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "limit=1&limit=2", "colour=red", "cursor=", "cursor=x",
        f"cursor={cursor('orders', '2026-01-01T00:00:00.000000Z', str(uuid.UUID(int=1)))}",
        f"cursor={cursor('messages', '2026-01-01T00:00:00Z', str(uuid.UUID(int=1)))}",
        f"cursor={cursor('messages', '2026-01-01T00:00:00.000000Z', 1)}",
        f"cursor={cursor('messages', 5, str(uuid.UUID(int=1)))}",
        f"cursor={cursor('messages', '2026-01-01T00:00:00.000000Z', 'x')}",
    ],
)  # fmt: skip
def test_wrong_queries_are_refused(side: Side, query: str) -> None:
    assert problem(side.person().get(f"{MESSAGES}?{query}")) == (422, "invalid-fields")


def test_a_message_is_read_once_and_its_companions_never_count(side: Side) -> None:
    somebody = side.person(NUMBER)
    somebody.choose(sms={"orders": True})
    side.happen(somebody)
    side.happen(somebody, "user.email_changed", old_email="old@example.org")
    side.work()
    assert (len(somebody.messages()["items"]), somebody.unread()) == (4, 2)
    [first, *_] = [message for message in somebody.messages()["items"] if not message["is_read"]]
    for _ in range(2):
        assert somebody.send("POST", f"{MESSAGES}/{first['id']}/read").json() == {**first, "is_read": True}
    assert somebody.unread() == 1
    assert somebody.send("POST", f"{MESSAGES}/read").json() == {"unread": 0}
    assert all(message["is_read"] for message in somebody.messages()["items"])


def test_messages_are_their_receivers_alone(side: Side) -> None:
    somebody, other = side.person(), side.person()
    side.happen(somebody)
    [message] = somebody.messages()["items"]
    assert other.messages()["items"] == []
    for message_id in (message["id"], uuid.uuid4()):
        assert problem(other.send("POST", f"{MESSAGES}/{message_id}/read")) == (404, "not-found")
    assert problem(other.send("POST", f"{MESSAGES}/1/read")) == (404, "not-found")
    other.send("POST", f"{MESSAGES}/read")
    assert somebody.unread() == 1


def test_who_is_not_known_or_shows_no_token_is_refused(side: Side) -> None:
    visitor, careless = side.visitor(), side.person(csrf=False)
    for path in (MESSAGES, UNREAD, PREFERENCES):
        assert problem(visitor.get(path)) == (401, "not-authenticated")
        assert careless.get(path).status == 200
    for method, path in (
        ("POST", f"{MESSAGES}/read"),
        ("PATCH", PREFERENCES),
        ("POST", f"{MESSAGES}/{uuid.uuid4()}/read"),
    ):
        assert problem(visitor.send(method, path, {})) == (401, "not-authenticated")
        assert problem(careless.send(method, path, {})) == (403, "csrf-token-invalid")
