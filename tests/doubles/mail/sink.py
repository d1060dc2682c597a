"""The SMTP side: takes mails on, and fails when told to. What is kept is read by the HTTP side."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.doubles.faults import Fault, Kind, Seen
from tests.doubles.mail.mails import Mail, read
from tests.doubles.web import Double

TAKEN_ON = "250 Message accepted for delivery"


class Mails:
    """All mails that were taken on, oldest first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._all: list[Mail] = []

    def box(self) -> list[Mail]:
        """Where a mail goes that comes now. After a reset it is another one, so that nothing comes late."""
        return self._all

    def reset(self) -> None:
        with self.lock:
            self._all = []

    def add(self, box: list[Mail], mail: Mail) -> None:
        with self.lock:
            box.append(mail)


def refusal(fault: Fault) -> str:
    """SMTP's words: 4xx is for now, 5xx for good."""
    if fault.kind is Kind.RATE_LIMITED:
        return "450 4.7.1 Too many mails, try again later"
    status = fault.status or 451
    return f"{status} {status // 100}.3.0 Refused, as this double was told to"


class Sink:
    """aiosmtpd calls this once a mail's last byte is there; the answer decides who is responsible for it."""

    def __init__(self, mails: Mails, double: Double) -> None:
        self._mails, self._double = mails, double
        self._late: set[asyncio.Task[None]] = set()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        mail = read(content, envelope.mail_from or "", list(envelope.rcpt_tos), now)
        seen = Seen("MAIL", "", _parameters(mail))
        fault = self._double.faults.take(seen)
        entry = self._double.received.note(seen, {}, fault)
        box = self._mails.box()
        if fault is None:
            self._mails.add(box, mail)
        elif fault.kind is Kind.DROP:
            entry.not_answered(done=False)
            return _hang_up(server)
        elif fault.kind in (Kind.ERROR, Kind.RATE_LIMITED):
            answer = refusal(fault)
            entry.answered(int(answer[:3]))
            return answer
        elif fault.kind is Kind.SLOW:
            await self._keep_late(box, mail, fault.seconds)
        else:
            self._mails.add(box, mail)
            entry.not_answered(done=True)
            return _hang_up(server)
        entry.answered(int(TAKEN_ON[:3]))
        return TAKEN_ON

    async def _keep_late(self, box: list[Mail], mail: Mail, seconds: float) -> None:
        """The sender may leave meanwhile, which ends the conversation but not this."""

        async def keep() -> None:
            await asyncio.sleep(seconds)
            self._mails.add(box, mail)

        task = asyncio.create_task(keep())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        await asyncio.shield(task)


def _parameters(mail: Mail) -> dict[str, str]:
    """By these a fault finds its mail."""
    return {"from": mail.sender, "to": ", ".join(mail.to), "subject": mail.subject, "message_id": mail.message_id}


def _hang_up(server: SMTP) -> str:
    """End the connection now; the answer that is returned reaches nobody."""
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()
    return TAKEN_ON
