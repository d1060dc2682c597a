"""Mail over SMTP: one attempt, with deadlines, and an honest word on what came of it.

Until the server has the whole mail, a failure is a failure. From then on only its answer says what happened.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from smtplib import SMTP, SMTP_SSL, SMTPDataError, SMTPException, SMTPResponseException
from urllib.parse import unquote, urlsplit

from extracted.notifications.messages import Fate, Sending
from extracted.platform.errors import SettingMissing

log = logging.getLogger(__name__)

MAIL_SETTINGS = ("SMTP_URL", "MAIL_FROM")
# For connecting and for each answer; and after how long nothing more is begun. In the worst case both in sum, which is
# less than a transaction may wait for it.
SECONDS, SECONDS_IN_ALL = 5.0, 10.0


@dataclass(frozen=True)
class Mail:
    """`id` becomes the Message-ID, by which a mail can be told from its double."""

    id: str
    recipient: str
    subject: str
    text: str


class MailServer:
    """smtp://host:port, smtp://user:password@host:port (STARTTLS first), or smtps://…; one connection a mail."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or (465 if self._is_tls else 587 if parts.username else 25)
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        # Reading the authorities takes some 50 ms: once, not for each mail.
        self._tls = ssl.create_default_context() if self._is_tls or self._login else None
        self._sender = sender
        self._address = parseaddr(sender)[1]

    def message_id(self, mail_id: str) -> str:
        return f"<{mail_id}@{self._address.rpartition('@')[2]}>"

    def send(self, mail: Mail) -> Sending:
        try:
            content = self._content(mail)
        except ValueError:
            log.error("a mail cannot be written", extra={"mail": mail.id})
            return Sending(Fate.REFUSED)
        deadline = time.monotonic() + SECONDS_IN_ALL
        try:
            smtp = self._connected()
        except (SMTPException, OSError) as error:
            return _failed(error)
        try:
            return self._hand_over(smtp, mail, content, deadline)
        finally:
            # Said, but no answer is waited for: nothing depends on it any more.
            with suppress(SMTPException, OSError):
                smtp.putcmd("quit")
            smtp.close()

    def _connected(self) -> SMTP:
        smtp: SMTP
        if self._is_tls:
            smtp = SMTP_SSL(self._host, self._port, timeout=SECONDS, context=self._tls)
        else:
            smtp = SMTP(self._host, self._port, timeout=SECONDS)
        try:
            if self._login:
                if not self._is_tls:
                    smtp.starttls(context=self._tls)
                smtp.login(*self._login)
            smtp.ehlo_or_helo_if_needed()
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _hand_over(self, smtp: SMTP, mail: Mail, content: bytes, deadline: float) -> Sending:
        try:
            for say, address in ((smtp.mail, self._address), (smtp.rcpt, mail.recipient)):
                code, _ = say(address)
                if code >= 400:
                    return _refused(code)
                _require_time(deadline)
        except (SMTPException, OSError) as error:
            return _failed(error)
        try:
            code, _ = smtp.data(content)
        except SMTPDataError as error:
            return _refused(error.smtp_code)
        except (SMTPException, OSError) as error:
            log.warning("no answer to a mail", extra={"mail": mail.id, "reason": type(error).__name__})
            return Sending(Fate.IN_DOUBT, self.message_id(mail.id))
        if code >= 400:
            return _refused(code)
        return Sending(Fate.SENT, self.message_id(mail.id))

    def _content(self, mail: Mail) -> bytes:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Message-ID"] = self.message_id(mail.id)
        # Nobody's absence note is wanted.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message.as_bytes()


def _require_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("the mail server is too slow")


def _refused(code: int) -> Sending:
    """4xx is for now, 5xx for good. What the server says may hold the address, and stays out of the logs."""
    log.warning("a mail is refused", extra={"status": code})
    return Sending(Fate.REFUSED if code >= 500 else Fate.FAILED)


def _failed(error: Exception) -> Sending:
    code = error.smtp_code if isinstance(error, SMTPResponseException) else None
    log.warning("the mail server takes nothing", extra={"reason": type(error).__name__, "status": code})
    return Sending(Fate.FAILED)


def from_environment() -> MailServer | None:
    """None without settings: a shop that sends no mail. With half of them, somebody forgot something."""
    settings = {name: os.environ.get(name, "") for name in MAIL_SETTINGS}
    if not any(settings.values()):
        return None
    for name, value in settings.items():
        if not value:
            raise SettingMissing(name)
    return MailServer(settings["SMTP_URL"], settings["MAIL_FROM"])
