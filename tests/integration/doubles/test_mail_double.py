"""smtplib sends mails to the sink, over the network."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from tests.doubles.control import MailControl
from tests.doubles.faults import Kind
from tests.support.waiting import wait_until

ANN, BEN = "ann@shop.test", "ben@shop.test"


def new_mail(to: str = ANN, subject: str = "Your order 7 – thank you") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@shop.test", to, subject
    mail["Message-ID"] = "<outbox-7@shop.test>"
    mail.set_content("See https://shop.test/orders/7 – it is on its way.")
    mail.add_alternative("<p>It is <b>on its way</b>.</p>", subtype="html")
    return mail


@pytest.fixture
def smtp_port(mail_ports: tuple[int, int], mail_control: MailControl) -> int:
    return mail_ports[1]


def send(port: int, mail: EmailMessage, patience: float = 5) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=patience) as connection:
        connection.send_message(mail)


def test_a_mail_is_kept_with_all_it_says(smtp_port: int, mail_control: MailControl):
    send(smtp_port, new_mail(f"{ANN}, {BEN}"))
    (mail,) = mail_control.mails(BEN)
    assert mail["to"] == [ANN, BEN]
    assert (mail["sender"], mail["subject"]) == ("shop@shop.test", "Your order 7 – thank you")
    assert mail["message_id"] == "<outbox-7@shop.test>"
    assert "– it is on its way." in mail["text"]
    assert "<b>on its way</b>" in mail["html"]
    assert mail_control.mails("nobody@shop.test") == []


@pytest.mark.parametrize(
    ("kind", "status", "answered"), [(Kind.ERROR, None, 451), (Kind.ERROR, 550, 550), (Kind.RATE_LIMITED, None, 450)]
)
def test_a_refused_mail_is_not_kept(
    smtp_port: int, mail_control: MailControl, kind: Kind, status: int | None, answered: int
):
    mail_control.fail(kind, where={"to": ANN}, status=status)
    send(smtp_port, new_mail(BEN))
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(smtp_port, new_mail())
    assert refused.value.smtp_code == answered
    assert len(mail_control.mails()) == 1
    send(smtp_port, new_mail())
    assert len(mail_control.mails(ANN)) == 1


@pytest.mark.parametrize(("kind", "kept"), [(Kind.DROP, 0), (Kind.LOST, 1)])
def test_without_an_answer_nobody_knows_whether_it_was_kept(
    smtp_port: int, mail_control: MailControl, kind: Kind, kept: int
):
    mail_control.fail(kind)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(smtp_port, new_mail())
    assert len(mail_control.mails()) == kept
    send(smtp_port, new_mail())
    assert {one["message_id"] for one in mail_control.mails()} == {"<outbox-7@shop.test>"}
    assert len(mail_control.mails()) == kept + 1


def test_a_slow_sink_holds_up_nobody_else(smtp_port: int, mail_control: MailControl):
    mail_control.fail(Kind.SLOW, seconds=60, where={"to": ANN})
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        send(smtp_port, new_mail(), patience=0.3)
    send(smtp_port, new_mail(BEN))
    assert [one["ending"] for one in mail_control.received("MAIL")] == ["in progress", "answered"]


def test_a_mail_is_kept_even_if_nobody_waited_for_it(smtp_port: int, mail_control: MailControl):
    mail_control.fail(Kind.SLOW, seconds=0.6)
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        send(smtp_port, new_mail(), patience=0.2)
    wait_until(lambda: mail_control.mails(ANN), 5, "the mail was kept")


def test_people_can_read_the_mails(smtp_port: int, mail_control: MailControl):
    send(smtp_port, new_mail(subject="<Hello>"))
    page = mail_control.page()
    assert "&lt;Hello&gt;" in page
    assert 'href="https://shop.test/orders/7"' in page
    assert 'srcdoc="&lt;p&gt;' in page
