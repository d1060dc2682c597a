"""Both sides of notifications. People are users of the same monolith; mail and text messages go to the same doubles.

Who sent what is told by its sender, which each side has one of; everything else must be the very same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.contract.differential.domain import OUTSIDE
from tests.contract.differential.domains.notifications import NOTIFICATIONS
from tests.contract.differential.explore import Pair
from tests.contract.differential.outside import Outside
from tests.contract.differential.pairs.around_messages import Around
from tests.contract.differential.pairs.clearing import clearing
from tests.contract.differential.pairs.people import identified, with_browsers
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Actor, Asked
from tests.contract.notifications.conftest import ACCOUNT, running_monolith, running_service
from tests.contract.notifications.sides import NUMBER
from tests.doubles.control import MailControl, TwilioControl
from tests.doubles.process import running
from tests.integration.catalog.processes import ServiceProcess
from tests.integration.catalog.rabbitmq import RabbitServer
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port

_number = itertools.count(1)

# Who has a verified number.
PHONES = {"ada": NUMBER, "bob": None}
ROLES = dict.fromkeys(PHONES, "buyer")
CARELESS = "ada"
SENDERS = (("here@shop.test", "+15005550006"), ("there@shop.test", "+15005550007"))

CLEAR_HERE = """
    delete from notification_messages; delete from notification_preferences; delete from notifications_inbox
"""
CLEAR_THERE = "delete from message; delete from preference; delete from preference_owner; delete from inbox"


@contextmanager
def notifications_pair(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    server_folder: Path,
    runner: str = "extracted.platform.run",
) -> Iterator[tuple[Pair, ServiceProcess]]:
    """`server_folder`: one that a broker may use which runs as nobody."""
    name = f"notifications_pair_{next(_number)}"
    folder = server_folder / name
    folder.mkdir(mode=0o755)
    with ExitStack() as stack:
        broker = RabbitServer(folder / "rabbitmq")
        stack.callback(broker.stop)
        # It takes as long as everything else.
        broker_runs = stack.enter_context(ThreadPoolExecutor(1)).submit(broker.start)
        mail, carrier, settings = stack.enter_context(_doubles(folder))
        told = [_with_sender(settings, *sender) for sender in SENDERS]
        monolith = stack.enter_context(running_monolith(monolith_server, told[0], folder))
        broker_runs.result()
        service = stack.enter_context(
            running_service(services_server, broker, monolith.users, told[1], folder, name, runner)
        )
        people = {who: monolith.person(phone) for who, phone in PHONES.items()}
        ids = {who: person.id for who, person in people.items()}
        browsers = {who: person.client for who, person in people.items()}
        around = [
            Around(side, mail, carrier, *sender, ids) for side, sender in zip((monolith, service), SENDERS, strict=True)
        ]
        asked = [
            _asked(one, clients)
            for one, clients in zip(
                around,
                (
                    with_browsers(monolith.url, browsers, CARELESS),
                    identified(service.url, service.issuer, ids, ROLES, CARELESS),
                ),
                strict=True,
            )
        ]
        for one in asked:
            stack.callback(one.close)
        statements = ((monolith.dsn, CLEAR_HERE), (service.dsn, CLEAR_THERE))
        clear = [stack.enter_context(clearing(*one)) for one in statements]
        tables = Tables(NOTIFICATIONS, monolith.dsn, service.dsn)
        effects = tuple(one.effects for one in around)
        yield (
            Pair(NOTIFICATIONS, asked[0], asked[1], tables, (*clear, mail.reset, carrier.reset), effects),
            service.process,
        )


@contextmanager
def _doubles(folder: Path) -> Iterator[tuple[MailControl, TwilioControl, dict[str, str]]]:
    """Their controls, and how both sides reach them."""
    mail_port, smtp_port, carrier_port = free_port(), free_port(), free_port()
    with (
        running("mail", mail_port, folder / "mail.log", "--smtp-port", str(smtp_port)),
        running("twilio", carrier_port, folder / "twilio.log", environment=ACCOUNT),
    ):
        carrier = TwilioControl(f"http://127.0.0.1:{carrier_port}")
        settings = {**ACCOUNT, "TWILIO_BASE_URL": carrier.url, "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}"}
        yield MailControl(f"http://127.0.0.1:{mail_port}"), carrier, settings


def _with_sender(settings: dict[str, str], address: str, number: str) -> dict[str, str]:
    return {**settings, "MAIL_FROM": f"The shop <{address}>", "TWILIO_FROM": number}


def _asked(around: Around, clients: dict[str, Client]) -> Asked:
    people: dict[str, Actor] = {**clients, OUTSIDE: Outside(around.acts)}
    return Asked(NOTIFICATIONS, people, {"message": around.messages})
