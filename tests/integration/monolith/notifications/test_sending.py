"""Sending: what surely failed is tried again, what may have been sent never is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy.exc import DBAPIError

from legacy_monolith import sending
from legacy_monolith.database import FENCED, sqlstate
from legacy_monolith.notifications import delivery, mail, queue
from legacy_monolith.notifications.mail import Mail, MailServer
from legacy_monolith.users.messages import Fate
from tests.doubles.faults import Kind
from tests.integration.monolith.elsewhere import Died, Program, Server, move_away, own
from tests.integration.monolith.notifications.post import ACCOUNT, NUMBER, SENDER, Post
from tests.integration.monolith.shop import Person, Shop
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

SMS_ALONE = {"email": {"orders": False}, "sms": {"orders": True}}
PAUSES = "select attempts, round(extract(epoch from next_attempt_at - now())) from notification_messages"


def texted(post: Post) -> Person:
    """Somebody who hears of orders on the phone alone, and of one that is paid."""
    somebody = post.buyer(NUMBER, SMS_ALONE)
    post.paid(somebody)
    post.shop.query("delete from notification_messages where channel = 'email'")
    return somebody


def mailed(post: Post) -> Person:
    somebody = post.buyer()
    post.paid(somebody)
    return somebody


def test_what_is_refused_for_now_is_sent_later(post: Post) -> None:
    mailed(post)
    post.mail.fail(Kind.RATE_LIMITED, times=2)
    pauses = []
    for _ in range(2):
        post.send()
        assert post.states() == [("email", "pending")]
        pauses += post.shop.query(PAUSES)
        post.send()
        post.pass_time()
    assert pauses == [(1, 15), (2, 60)]
    post.send()
    assert post.states() == [("email", "sent")]
    assert len(post.mail.mails()) == 1


def test_five_attempts_are_enough(post: Post) -> None:
    mailed(post)
    post.mail.fail(Kind.ERROR, times=100)
    for _ in range(7):
        post.send()
        post.pass_time()
    assert post.states() == [("email", "failed")]
    assert len(post.mail.received("MAIL")) == 5


def test_what_is_refused_for_good_is_not_tried_again(post: Post) -> None:
    mailed(post)
    post.mail.fail(Kind.ERROR, status=550)
    post.send()
    assert post.states() == [("email", "failed")]


def test_a_number_that_cannot_be_texted_has_failed(post: Post) -> None:
    texted(post)
    post.shop.query("update users set phone = '+15005550009'")
    post.send()
    assert post.states() == [("sms", "failed")]


def test_a_carrier_that_takes_nothing_now_is_asked_again(post: Post) -> None:
    texted(post)
    post.carrier.fail(Kind.RATE_LIMITED)
    post.send()
    assert post.states() == [("sms", "pending")]
    post.pass_time()
    post.send()
    assert post.states() == [("sms", "sent")]
    [text] = post.carrier.messages(NUMBER)
    assert post.shop.query("select reference from notification_messages") == [(text["sid"],)]


@pytest.mark.parametrize(("fault", "arrived"), [(Kind.LOST, 1), (Kind.DROP, 0)])
def test_a_mail_whose_answer_is_lost_is_in_doubt_for_ever(post: Post, fault: Kind, arrived: int) -> None:
    somebody = mailed(post)
    post.mail.fail(fault)
    for _ in range(3):
        post.send()
        post.pass_time()
    assert (post.states(), len(post.mail.mails())) == ([("email", "in_doubt")], arrived)
    [message] = somebody.get("/api/notifications/messages").get_json()["items"]
    assert message["state"] == "in_doubt"


def test_a_mail_server_that_does_not_answer_is_left_in_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    mailed(post)
    monkeypatch.setattr(mail, "SECONDS", 0.3)
    post.mail.fail(Kind.SLOW, seconds=0.8)
    post.send()
    assert post.states() == [("email", "in_doubt")]
    wait_until(post.mail.mails, 5, "the mail arrives after all")
    post.pass_time()
    post.send()
    assert len(post.mail.mails()) == 1


@pytest.mark.parametrize("listing_fails", [False, True])
def test_a_text_message_in_doubt_is_looked_up(post: Post, listing_fails: bool) -> None:
    texted(post)
    post.carrier.fail(Kind.LOST, method="POST")
    if listing_fails:
        post.carrier.fail(Kind.ERROR, method="GET")
        post.send()
        assert post.states() == [("sms", "in_doubt")]
        post.pass_time()
    post.send()
    assert post.states() == [("sms", "sent")]
    [text] = post.carrier.messages()
    assert post.shop.query("select reference, next_attempt_at from notification_messages") == [(text["sid"], None)]


def test_a_message_is_not_found_in_another_one_with_the_same_words(post: Post) -> None:
    somebody = texted(post)
    post.send()
    post.paid(somebody, 2)
    post.carrier.fail(Kind.DROP, method="POST")
    post.send()
    assert post.states() == [("sms", "sent"), ("email", "skipped"), ("sms", "in_doubt")]
    # Not for ever, though.
    post.shop.query("update notification_messages set claimed_at = claimed_at - interval '11 minutes'")
    post.pass_time()
    post.send()
    assert post.shop.query("select 1 from notification_messages where next_attempt_at is not null") == []
    assert len(post.carrier.messages()) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_claim_without_an_outcome_is_in_doubt_and_never_sent_again(
    post: Post, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    mailed(post)
    real = delivery._attempt

    def dies(*arguments: object) -> None:
        if moment == "after":
            real(*arguments)  # type: ignore[arg-type]
        raise Died

    monkeypatch.setattr(delivery, "_attempt", dies)
    with pytest.raises(Died):
        post.send()
    monkeypatch.undo()
    post.send()
    # Somebody may still be working on it.
    assert post.states() == [("email", "sending")]
    post.pass_time()
    post.send()
    assert post.states() == [("email", "in_doubt")]
    assert len(post.mail.mails()) == (moment == "after")


def test_a_killed_process_doubles_nothing_and_its_text_message_is_found(
    post: Post, tmp_path: Path, mail_ports: tuple[int, int], carrier_url: str
) -> None:
    texted(post)
    mailed_to = post.shop.person().user["email"]
    for control, seen in ((post.carrier, "POST"), (post.mail, "MAIL")):
        control.fail(Kind.SLOW, seconds=1.5, method=seen)
    settings = {
        **ACCOUNT, "TWILIO_BASE_URL": carrier_url, "SMTP_URL": f"smtp://127.0.0.1:{mail_ports[1]}", "MAIL_FROM": SENDER,
    }  # fmt: skip
    program = Program(post.shop, ["legacy_monolith.sending"], tmp_path / "log", settings)
    for control, seen in ((post.carrier, "POST"), (post.mail, "MAIL")):
        program.start()
        wait_until(lambda c=control, s=seen: c.received(s), 30, f"a message is under way; log: {program.log}")  # type: ignore[misc]
        program.end(signal.SIGKILL)
        wait_until(lambda: "active" not in _sessions(post.shop), 10, "the database has noticed")
        post.pass_time()
    wait_until(post.mail.mails, 5, "the mail arrives after all")
    wait_until(post.carrier.messages, 5, "the text message arrives after all")
    for _ in range(2):
        post.send()
        post.pass_time()
    assert sorted(post.states()) == [("email", "in_doubt"), ("sms", "sent")]
    assert (len(post.mail.mails(mailed_to)), len(post.carrier.messages())) == (1, 1)


def _sessions(shop: Shop) -> str:
    rows = shop.query("select state, query from pg_stat_activity where application_name = 'monolith' and datname = %s",
                      shop.database)  # fmt: skip
    return "active" if any("transaction" in (state or "") for state, _ in rows) else ""


def test_who_is_told_to_stop_finishes_the_message(
    post: Post, tmp_path: Path, mail_ports: tuple[int, int], carrier_url: str
) -> None:
    mailed(post)
    mailed_too = post.shop.person()
    post.mail.fail(Kind.SLOW, seconds=0.7)
    settings = {"SMTP_URL": f"smtp://127.0.0.1:{mail_ports[1]}", "MAIL_FROM": SENDER}
    program = Program(post.shop, ["legacy_monolith.sending"], tmp_path / "log", settings)
    program.start()
    wait_until(lambda: post.mail.received("MAIL"), 30, f"a mail is under way; log: {program.log}")
    assert program.end(signal.SIGTERM) == 0
    assert post.states() == [("email", "sent"), ("email", "pending")]
    assert post.mail.mails(mailed_too.user["email"]) == []


def test_a_fence_waits_for_the_answer(post: Post) -> None:
    mailed(post)
    post.mail.fail(Kind.SLOW, seconds=1.0)
    thread = threading.Thread(target=post.send)
    thread.start()
    wait_until(lambda: post.mail.received("MAIL"), 10, "a mail is under way")
    with psycopg.connect(post.shop.server.dsn(post.shop.database)) as fence:
        fence.execute("set local lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            fence.execute("select fig.arm('notifications', true)")
        fence.rollback()
        fence.execute("select fig.arm('notifications', true)")
        # It came through only now, and nothing is left to do behind it.
        assert fence.execute("select state from notification_messages").fetchall() == [("sent",)]
        fence.rollback()
    thread.join()


def test_a_fence_between_claim_and_call_leaves_a_doubt_and_no_message(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailed(post)
    hold = queue.hold

    def fenced(*arguments: object) -> bool:
        own(post.shop, "notifications", False)
        return hold(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "hold", fenced)
    with pytest.raises(DBAPIError) as refused:
        post.send()
    assert sqlstate(refused.value) == FENCED
    monkeypatch.undo()
    # Not owned here: nothing is touched.
    post.pass_time()
    post.send()
    assert post.states() == [("email", "sending")]
    # As the new owner sees it.
    own(post.shop, "notifications", True)
    post.send()
    assert post.states() == [("email", "in_doubt")]
    assert post.mail.received("MAIL") == []


def test_two_processes_send_each_message_once(post: Post) -> None:
    somebody = post.buyer()
    for number in range(1, 21):
        post.paid(somebody, number)
    threads = [threading.Thread(target=post.send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [mail["message_id"] for mail in post.mail.mails()]
    assert (len(ids), len(set(ids))) == (20, 20)


def test_a_shop_without_servers_skips_what_it_cannot_send(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop()
    shop.person()
    sending.send_all(shop.app, threading.Event())
    assert shop.query("select state from notification_messages") == [("skipped",)]


class Choosy:
    """Takes nobody's mail."""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: object) -> str:
        return "450 4.2.1 Not now" if to.startswith("later") else "550 5.1.1 No such mailbox"


@pytest.fixture
def choosy() -> Iterator[MailServer]:
    controller = Controller(Choosy(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield MailServer(f"smtp://127.0.0.1:{controller.port}", SENDER)
    controller.stop()


def test_a_recipient_may_be_refused_for_now_or_for_good(choosy: MailServer) -> None:
    assert choosy.send(Mail("1", "later@example.test", "s", "t")).fate is Fate.FAILED
    assert choosy.send(Mail("1", "nobody@example.test", "s", "t")).fate is Fate.REFUSED
    # No subject smuggles a header in.
    assert choosy.send(Mail("1", "a@example.test", "s\nBcc: b@example.test", "t")).fate is Fate.REFUSED


def test_without_a_mail_server_nothing_has_left() -> None:
    server = MailServer(f"smtp://127.0.0.1:{free_port()}", SENDER)
    assert server.send(Mail("1", "a@example.test", "s", "t")).fate is Fate.FAILED


def test_where_users_live_elsewhere_they_say_how_they_are_reached(
    new_shop: Callable[..., Shop], catalog_server: Server, mail_ports: tuple[int, int], post: Post
) -> None:
    smtp = f"smtp://127.0.0.1:{mail_ports[1]}"
    front = new_shop(INTERNAL_URL=catalog_server.url, SMTP_URL=smtp, MAIL_FROM=SENDER)
    catalog_server.require_running()
    catalog_server.shop.clear()
    front.person()
    move_away(front, "users")
    here = Post(front, post.mail, post.carrier)
    # The owner does not know them yet.
    here.send()
    assert front.query("select state, attempts from notification_messages") == [("pending", 1)]
    there = catalog_server.shop.person()
    here.pass_time()
    here.send()
    [mail_] = post.mail.mails()
    assert mail_["to"] == [there.user["email"]]
    assert mail_["text"].startswith(f"Hello {there.user['name']},")
