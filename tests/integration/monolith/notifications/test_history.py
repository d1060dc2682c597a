"""The history: pages, and what is read."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.integration.monolith.notifications.post import NUMBER, Post
from tests.integration.monolith.shop import Person, problem

MESSAGES, UNREAD = "/api/notifications/messages", "/api/notifications/unread"


def page(person: Person, query: str = "") -> dict[str, Any]:
    answer = person.get(f"{MESSAGES}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def unread(person: Person) -> int:
    return person.get(UNREAD).get_json()["unread"]


def test_pages_join_without_a_gap_also_where_moments_are_equal(post: Post) -> None:
    somebody, other = post.buyer(), post.shop.person()
    for number in range(1, 8):
        post.paid(somebody, number)
    post.shop.query("update notification_messages set created_at = '2026-01-01 12:00+00' where kind = 'order.paid'")
    whole = page(somebody)["items"]
    seen: list[Any] = []
    cursor = ""
    while True:
        part = page(somebody, f"limit=3{cursor}")
        seen += part["items"]
        if part["next_cursor"] is None:
            break
        cursor = f"&cursor={part['next_cursor']}"
    assert (seen, len(seen)) == (whole, 7)
    assert [message["kind"] for message in page(other)["items"]] == ["user.signed_up"]


@pytest.mark.parametrize("cursor", ["x", "WyJvcmRlcnMiLCIiLDFd", "WyJtZXNzYWdlcyIsIngiLCJ4Il0"])
def test_a_cursor_of_something_else_is_refused(post: Post, cursor: str) -> None:
    assert problem(post.buyer().get(f"{MESSAGES}?cursor={cursor}")) == (422, "invalid-fields")


def test_a_message_is_read_once_and_its_text_message_never_counts(post: Post) -> None:
    somebody = post.buyer(NUMBER, {"sms": {"orders": True}})
    post.paid(somebody, 1)
    post.paid(somebody, 2)
    assert unread(somebody) == 2
    [first, *_] = [message for message in page(somebody)["items"] if message["channel"] == "email"]
    read = somebody.post(f"{MESSAGES}/{first['id']}/read")
    assert read.get_json() == {**first, "is_read": True}
    at = post.shop.query("select read_at from notification_messages where id = %s", first["id"])
    assert somebody.post(f"{MESSAGES}/{first['id']}/read").get_json() == read.get_json()
    assert post.shop.query("select read_at from notification_messages where id = %s", first["id"]) == at
    assert unread(somebody) == 1
    assert somebody.post(f"{MESSAGES}/read").get_json() == {"unread": 0}
    assert all(message["is_read"] for message in page(somebody)["items"])


def test_messages_are_their_receivers_alone(post: Post) -> None:
    somebody, other = post.buyer(), post.shop.person()
    post.paid(somebody)
    [message] = page(somebody)["items"]
    for stranger_s in (message["id"], str(uuid.uuid4())):
        assert problem(other.post(f"{MESSAGES}/{stranger_s}/read")) == (404, "not-found")
    other.post(f"{MESSAGES}/read")
    assert unread(somebody) == 1
    visitor = post.shop.visitor()
    for path in (MESSAGES, UNREAD, "/api/notifications/preferences"):
        assert problem(visitor.get(path)) == (401, "not-authenticated")
    somebody.csrf_token = ""
    assert problem(somebody.post(f"{MESSAGES}/read")) == (403, "csrf-token-invalid")
