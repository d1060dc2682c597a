"""Events become messages, and messages are sent at most once: the same on both sides."""

from __future__ import annotations

import threading
import uuid

import psycopg
import pytest

from tests.contract.notifications.sides import NUMBER, Person, Service, Side
from tests.doubles.control import MailControl, TwilioControl
from tests.doubles.faults import Kind
from tests.support.waiting import wait_until

HELD = (
    "select 1 from pg_stat_activity where datname = current_database() and usename = 'notifications_app'"
    " and state like 'idle in transaction%'"
)
KINDS = ["user.signed_up", "user.password_changed", "user.phone_verified", "user.logged_out_everywhere", "order.placed",
         "order.paid", "order.cancelled", "order.expired", "order.refunded", "order.sold"]  # fmt: skip


def texted(side: Side) -> Person:
    """Somebody who hears of orders on the phone alone."""
    somebody = side.person(NUMBER)
    somebody.choose(email={"orders": False}, sms={"orders": True})
    return somebody


def test_both_sides_say_the_same_of_every_kind_of_event(
    both: dict[str, Side], mail: MailControl, carrier: TwilioControl
) -> None:
    said = {}
    for name, side in both.items():
        side.reset()
        somebody = side.person(NUMBER)
        somebody.choose(sms={"orders": True, "sales": True})
        for kind in KINDS:
            side.happen(somebody, kind)
        side.happen(somebody, "user.email_changed", old_email=f"{name}@example.org")
        side.work()
        letters = [(one["subject"], one["text"], one["sender"]) for one in mail.mails(somebody.email)]
        farewells = [(one["subject"], one["text"]) for one in mail.mails(f"{name}@example.org")]
        texts = [one["body"] for one in carrier.messages()]
        carrier.reset()
        shown = [(m["kind"], m["channel"], m["subject"], m["text"], m["state"]) for m in somebody.messages()["items"]]
        said[name] = sorted(letters), farewells, sorted(texts), sorted(shown)
    assert said["monolith"] == said["service"]
    assert [len(part) for part in said["service"]] == [11, 1, 6, 18]


def test_the_message_id_of_a_mail_is_its_messages(side: Side, mail: MailControl) -> None:
    somebody = side.person()
    event = side.happen(somebody)
    side.work()
    [one] = mail.mails()
    message_id = uuid.uuid5(uuid.UUID(event["id"]), f"email:{somebody.id}")
    assert (one["message_id"], one["to"]) == (f"<{message_id}@shop.test>", [somebody.email])
    [message] = somebody.messages()["items"]
    assert (message["id"], message["state"], message["sent_at"] is not None) == (str(message_id), "sent", True)


def test_an_event_that_comes_again_is_one_message(side: Side, mail: MailControl) -> None:
    somebody = side.person()
    event = side.happen(somebody)
    side.tell(event, event)
    side.happen(somebody, "user.waved")
    side.work()
    assert (somebody.states(), len(mail.mails())) == ([("email", "sent")], 1)


def test_what_is_not_wanted_or_cannot_go_is_skipped(side: Side, mail: MailControl, carrier: TwilioControl) -> None:
    somebody = side.person()
    somebody.choose(email={"orders": False, "account": False}, sms={"orders": True})
    side.happen(somebody)
    side.happen(somebody, "user.logged_out_everywhere")
    side.work()
    assert somebody.states() == [("email", "skipped"), ("sms", "skipped"), ("email", "skipped")]
    assert (mail.mails(), carrier.messages()) == ([], [])
    # Nobody can choose not to hear of this.
    side.happen(somebody, "user.password_changed")
    side.work()
    assert [one["subject"] for one in mail.mails()] == ["Your password was changed"]


def test_what_is_refused_for_now_is_sent_later(side: Side, mail: MailControl) -> None:
    somebody = side.person()
    mail.fail(Kind.RATE_LIMITED, times=2)
    side.happen(somebody)
    pauses = []
    for _ in range(2):
        side.work()
        assert somebody.states() == [("email", "pending")]
        pauses += side.pauses(somebody)
        side.pass_time(somebody)
    side.work()
    assert (pauses, somebody.states()) == ([(1, 15), (2, 60)], [("email", "sent")])
    assert len(mail.mails()) == 1


@pytest.mark.parametrize(("times", "status", "attempts"), [(9, 451, 5), (9, 550, 1)])
def test_some_failures_are_final(side: Side, mail: MailControl, times: int, status: int, attempts: int) -> None:
    somebody = side.person()
    mail.fail(Kind.ERROR, times=times, status=status)
    side.happen(somebody)
    for _ in range(6):
        side.work()
        side.pass_time(somebody)
    side.work()
    assert somebody.states() == [("email", "failed")]
    assert len(mail.received("MAIL")) == attempts


@pytest.mark.parametrize(("fault", "arrived"), [(Kind.LOST, 1), (Kind.DROP, 0)])
def test_a_mail_whose_answer_is_lost_is_in_doubt_and_never_sent_again(
    side: Side, mail: MailControl, fault: Kind, arrived: int
) -> None:
    somebody = side.person()
    mail.fail(fault)
    side.happen(somebody)
    for _ in range(3):
        side.work()
        side.pass_time(somebody)
    assert (somebody.states(), len(mail.mails())) == ([("email", "in_doubt")], arrived)


def test_a_text_message_whose_answer_is_lost_is_looked_up(side: Side, carrier: TwilioControl) -> None:
    somebody = texted(side)
    carrier.fail(Kind.LOST, method="POST")
    side.happen(somebody)
    side.work()
    wait_until(lambda: somebody.states() == [("email", "skipped"), ("sms", "sent")], 10, "the message is found")
    # With the same words, but this one never arrived.
    carrier.fail(Kind.DROP, method="POST")
    side.happen(somebody)
    # What a look found is written down before the next one.
    for looks in (2, 3):
        side.work()
        wait_until(lambda: len(carrier.received("GET")) >= looks, 10, "the carrier is asked")  # noqa: B023
        side.pass_time(somebody)
    assert somebody.states()[2:] == [("email", "skipped"), ("sms", "in_doubt")]
    assert len(carrier.messages()) == 1


def test_a_number_that_cannot_be_texted_has_failed(side: Side) -> None:
    somebody = side.person("+15005550009")
    somebody.choose(email={"orders": False}, sms={"orders": True})
    side.happen(somebody)
    side.work()
    assert somebody.states() == [("email", "skipped"), ("sms", "failed")]


def test_a_claim_of_somebody_who_is_gone_is_in_doubt(side: Side, mail: MailControl) -> None:
    """As after a death, or a switch, between the claim and the call."""
    somebody = side.person()
    somebody.choose(email={"orders": False})
    side.happen(somebody)
    side.query(f"update {side.names.messages} set {side.names.state} = 'sending', claimed_at = now()")
    assert somebody.states() == [("email", "sending")]
    side.pass_time(somebody)
    side.work()
    wait_until(lambda: somebody.states() == [("email", "in_doubt")], 10, "the doubt is shown")
    assert mail.received("MAIL") == []


def test_a_fence_waits_for_the_answer(side: Side, mail: MailControl) -> None:
    somebody = side.person()
    mail.fail(Kind.SLOW, seconds=1.0)
    side.happen(somebody)
    thread = threading.Thread(target=side.work)
    thread.start()
    wait_until(lambda: mail.received("MAIL"), 20, "a mail is under way")
    with psycopg.connect(side.dsn) as fence:
        fence.execute("set local lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            fence.execute("select fig.arm('notifications', true)")
        fence.rollback()
        fence.execute("select fig.arm('notifications', true)")
        [(state,)] = fence.execute(f"select {side.names.state}::text from {side.names.messages}")
        assert state == "sent"
        fence.rollback()
    thread.join()


def test_a_killed_service_doubles_nothing_and_shows_its_doubt(both: dict[str, Side], mail: MailControl) -> None:
    service = both["service"]
    assert isinstance(service, Service)
    service.reset()
    somebody = service.person()
    mail.fail(Kind.SLOW, seconds=1.5)
    service.happen(somebody)
    wait_until(lambda: mail.received("MAIL"), 20, "a mail is under way")
    service.process.kill()
    service.process.start()
    wait_until(lambda: somebody.states() == [("email", "sending")], 10, "the claim has outlived its process")
    wait_until(mail.mails, 10, "the mail arrives after all")
    # Nobody works on it any more once the database has noticed.
    wait_until(lambda: not service.query(HELD), 10, "nobody holds the claim")
    service.pass_time(somebody)
    wait_until(lambda: somebody.states() == [("email", "in_doubt")], 10, "the doubt is shown")
    assert len(mail.mails()) == 1
