"""The seam between who tells and notifications: either a message here, or a row that is published; never both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DBAPIError

from legacy_monolith import jobs, telling
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.event import UnreadableEvent
from legacy_monolith.notifications import inbox
from tests.integration.monolith.elsewhere import own
from tests.integration.monolith.notifications.post import PAID, Post, event


def told(post: Post) -> tuple[int, ...]:
    """Messages, events heard, and rows to publish."""
    tables = ("notification_messages", "notifications_inbox", "users_outbox")
    return tuple(post.shop.query(f"select count(*) from {table}")[0][0] for table in tables)


def test_here_an_event_is_a_message_in_the_same_transaction(post: Post) -> None:
    post.shop.person()
    assert told(post) == (1, 1, 0)


@pytest.mark.parametrize("known", [True, False], ids=["known to be away", "met the fence"])
def test_elsewhere_it_is_a_row_of_the_outbox(post: Post, known: bool) -> None:
    own(post.shop, "notifications", False)
    if not known:
        # Ownership is read before the fence is met: a switch in between is what the fence is for.
        post.shop.query("update fig.domain set state = 'owner'")
    somebody = post.shop.person()
    assert told(post) == (0, 0, 1)
    [(event_id, kind, payload)] = post.shop.query("select id, type, payload from users_outbox")
    assert (payload["id"], payload["type"], kind) == (str(event_id), "user.signed_up", "user.signed_up")
    assert payload["data"] == {"user_id": somebody.user["id"]}
    own(post.shop, "notifications", True)
    # What was published comes back, to whoever owns notifications by then.
    with post.shop.app.app_context():
        inbox.receive(payload)
        inbox.receive(payload)
    assert told(post) == (1, 1, 1)


@pytest.mark.parametrize("is_here", [True, False])
def test_what_is_not_committed_is_not_told(post: Post, is_here: bool) -> None:
    somebody = post.buyer()
    own(post.shop, "notifications", is_here)
    with post.shop.app.app_context():
        telling.tell("users", event("user.signed_up", somebody.user["id"]))
        db.session.rollback()
    assert told(post) == (0, 0, 0)


def test_the_same_fact_is_told_once_whatever_the_way(post: Post) -> None:
    somebody = post.buyer()
    one = event("order.paid", somebody.user["id"], **PAID)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: post.tell(one), range(4)))
    with post.shop.app.app_context():
        telling.tell("payments", one)
        db.session.commit()
    assert told(post) == (1, 1, 0)
    own(post.shop, "notifications", False)
    for _ in range(2):
        with post.shop.app.app_context():
            telling.tell("payments", one)
            db.session.commit()
    assert post.shop.query("select count(*) from payments_outbox") == [(1,)]


def test_a_fenced_event_leaves_nothing_and_says_so(post: Post) -> None:
    somebody = post.buyer()
    own(post.shop, "notifications", False)
    with pytest.raises(DBAPIError) as refused:
        post.paid(somebody)
    assert sqlstate(refused.value) == FENCED
    own(post.shop, "notifications", True)
    post.paid(somebody)
    assert told(post) == (1, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "no id"}, {"occurred_at": "2026-01-01T00:00:00"}, {"data": []}, {"type": None}, {"data": {}},
        {"data": {"user_id": 1}},
    ],
    ids=["id", "moment", "data", "type", "nobody", "no amount"],
)  # fmt: skip
def test_what_cannot_be_read_is_no_message(post: Post, change: dict[str, object]) -> None:
    somebody = post.buyer()
    document = {**event("order.paid", somebody.user["id"], **PAID).document(), **change}
    with post.shop.app.app_context(), pytest.raises(UnreadableEvent):
        inbox.receive(document)
    assert told(post) == (0, 0, 0)


def test_an_event_that_nobody_needs_to_hear_of_is_heard(post: Post) -> None:
    post.tell(event("user.waved", post.buyer().user["id"]))
    assert told(post) == (0, 1, 0)


def test_what_was_told_long_ago_is_forgotten(post: Post) -> None:
    own(post.shop, "notifications", False)
    post.shop.person()
    post.shop.person()
    post.shop.query(
        "update users_outbox set created_at = now() - interval '8 days'"
        " where id = (select id from users_outbox order by created_at limit 1)"
    )
    jobs.tidy(post.shop.app)
    assert told(post) == (0, 0, 1)
