"""What people are told, over which channel, and who decides."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.exc import IntegrityError

from legacy_monolith.errors import TemporarilyUnavailable
from legacy_monolith.notifications import preferences
from tests.integration.monolith.notifications.post import NUMBER, PAID, PREFERENCES, Post, event
from tests.integration.monolith.shop import PASSWORD
from tests.integration.monolith.test_phone import PHONE, VERIFY

SMS_FOR_ORDERS = {"sms": {"orders": True}}


def test_who_signs_up_is_welcomed_by_mail(post: Post) -> None:
    somebody = post.shop.person()
    post.send()
    [mail] = post.mail.mails()
    assert (mail["to"], mail["sender"]) == ([somebody.user["email"]], "shop@shop.test")
    assert mail["subject"] == "Welcome to the shop"
    assert mail["text"].startswith(f"Hello {somebody.user['name']},\n\nYour account is ready")
    [row] = post.shop.query("select id, state, recipient, reference, sent_at is not null from notification_messages")
    assert row[1:] == ("sent", somebody.user["email"], mail["message_id"], True)
    # Whoever gets it twice can tell.
    assert mail["message_id"] == f"<{row[0]}@shop.test>"
    post.send()
    assert len(post.mail.mails()) == 1


def test_a_new_address_is_told_to_the_new_and_the_old_one(post: Post) -> None:
    somebody = post.buyer(choices={"email": {"orders": False, "sales": False, "account": False}})
    old, new = somebody.user["email"], "newer@example.test"
    changed = somebody.post("/api/users/email", {"email": new, "password": PASSWORD})
    assert changed.status_code == 200
    post.send()
    to_new, to_old = post.mail.mails(new), post.mail.mails(old)
    assert [mail["subject"] for mail in to_new + to_old] == ["Your e-mail address was changed"] * 2
    assert "this is our last message" in to_old[0]["text"].lower()
    assert new not in to_old[0]["text"]
    # The same address again is no change.
    somebody.post("/api/users/email", {"email": new, "password": PASSWORD})
    post.send()
    assert len(post.mail.mails()) == 2


def test_what_happens_to_an_account_is_told(post: Post) -> None:
    somebody = post.buyer()
    form = {"current_password": PASSWORD, "new_password": "another good password"}
    assert somebody.post("/api/users/password", form).status_code == 204
    assert somebody.post(PHONE, {"phone": NUMBER}).status_code == 202
    code = post.carrier.messages()[0]["body"][:6]
    assert somebody.post(VERIFY, {"code": code}).status_code == 200
    assert somebody.post("/api/users/logout").status_code == 204
    post.send()
    assert post.subjects(somebody.user["email"]) == [
        "Your password was changed", "Your phone number is verified", "You are logged out everywhere",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["order.placed", "order.paid", "order.cancelled", "order.expired", "order.refunded"])
def test_an_order_is_told_by_mail_and_if_chosen_to_the_phone(post: Post, kind: str) -> None:
    somebody = post.buyer(NUMBER, SMS_FOR_ORDERS)
    lines = [{"title": "A chair\nof oak", "quantity": 2}]
    post.tell(event(kind, somebody.user["id"], **PAID, lines=lines))
    post.send()
    [mail], [text] = post.mail.mails(), post.carrier.messages()
    assert re.search("order 7", mail["subject"], re.IGNORECASE)
    assert (text["to"], len(text["body"]) <= 160) == (NUMBER, True)
    assert "order 7" in text["body"]
    if kind == "order.placed":
        assert "  2 x A chair of oak\n\nTotal: 24.68 EUR" in mail["text"]


def test_a_sale_is_told_to_the_seller(post: Post) -> None:
    somebody = post.buyer(NUMBER, {"sms": {"sales": True}})
    lines = [{"title": "Chair", "quantity": 1}]
    post.tell(event("order.sold", somebody.user["id"], **PAID, lines=lines))
    post.send()
    assert post.subjects(somebody.user["email"]) == ["You have sold something: order 7"]
    assert [text["body"] for text in post.carrier.messages()] == ["You have sold something in order 7, 24.68 EUR."]


def test_a_text_message_needs_a_verified_number(post: Post) -> None:
    somebody = post.buyer(choices=SMS_FOR_ORDERS)
    post.paid(somebody)
    post.send()
    assert post.states() == [("email", "sent"), ("sms", "skipped")]
    assert post.carrier.messages() == []


def test_what_is_not_wanted_is_not_sent_but_can_be_read(post: Post) -> None:
    somebody = post.buyer(NUMBER, {"email": {"orders": False}})
    post.paid(somebody)
    post.send()
    assert (post.mail.mails(), post.carrier.messages()) == ([], [])
    [message] = somebody.get("/api/notifications/messages").get_json()["items"]
    assert (message["state"], message["subject"]) == ("skipped", "Order 7 is paid")


def test_nobody_can_choose_not_to_hear_of_a_new_password(post: Post) -> None:
    somebody = post.buyer(choices={"email": {"orders": False, "sales": False, "account": False}})
    form = {"current_password": PASSWORD, "new_password": "another good password"}
    assert somebody.post("/api/users/password", form).status_code == 204
    assert somebody.post("/api/users/logout").status_code == 204
    post.send()
    assert post.subjects(somebody.user["email"]) == ["Your password was changed"]


def test_choices_are_kept_one_by_one(post: Post) -> None:
    somebody = post.buyer()
    defaults = {"email": {"orders": True, "sales": True, "account": True}, "sms": {"orders": False, "sales": False}}
    assert somebody.get(PREFERENCES).get_json() == defaults
    assert somebody.send("PATCH", PREFERENCES, {}).get_json() == defaults
    assert post.shop.query("select 1 from notification_preferences") == []
    somebody.send("PATCH", PREFERENCES, {"email": {"sales": False}})
    chosen = {**defaults, "email": {**defaults["email"], "sales": False}, "sms": {**defaults["sms"], "orders": True}}
    assert somebody.send("PATCH", PREFERENCES, SMS_FOR_ORDERS).get_json() == chosen
    assert somebody.get(PREFERENCES).get_json() == chosen
    assert post.shop.person().get(PREFERENCES).get_json() == defaults
    mistakes: list[object] = [
        {"sms": {"account": True}},
        {"email": {"orders": None}},
        {"email": {"orders": 1}},
        {"x": {}},
    ]
    for wrong in mistakes:
        assert somebody.send("PATCH", PREFERENCES, wrong).status_code == 422
    assert somebody.get(PREFERENCES).get_json() == chosen


def test_who_is_not_known_here_yet_is_asked_to_wait(post: Post) -> None:
    """As when users lives elsewhere and the copy of somebody's row has not come yet."""
    somebody = post.buyer()
    with post.shop.app.app_context(), pytest.raises(TemporarilyUnavailable):
        preferences.change(somebody.user["id"] + 1, {("sms", "orders"): True})
    somebody.user["id"] += 1
    with pytest.raises(IntegrityError):
        post.paid(somebody)
    # Nothing of it stays: it is heard when it comes again.
    assert post.shop.query("select 1 from notifications_inbox") == []
