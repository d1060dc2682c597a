"""Both sides of users."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.contract.differential.domains.users import USERS
from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs.clearing import clearing
from tests.contract.differential.pairs.telling import tell_by_outbox
from tests.contract.differential.rows import Tables
from tests.contract.differential.side import Asked
from tests.contract.users.conftest import USERS as USERS_SERVICE
from tests.contract.users.conftest import running_monolith, settings
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import NO_BROKER, ServiceProcess
from tests.integration.monolith import carrier
from tests.integration.users.databases import create_users_database
from tests.support.clients import Client
from tests.support.postgres import PostgresServer

_number = itertools.count(1)

CLEAR_USERS_HERE = """
    delete from notification_messages; delete from notification_preferences; delete from users_outbox;
    delete from phone_codes; delete from rate_limits; delete from users; select setval('users_id_seq', 1)
"""
CLEAR_USERS_THERE = """
    delete from outbox; delete from code; delete from rate_limit;
    delete from verification; delete from credential; delete from account;
    select setval('account_id_seq', 1)
"""
BROWSERS = ("ada", "bob", "second-browser", "visitor")


@contextmanager
def users_pair(
    monolith_server: PostgresServer,
    services_server: PostgresServer,
    folder: Path,
    runner: str = "extracted.platform.run",
) -> Iterator[tuple[Pair, ServiceProcess]]:
    """Each side with a carrier of its own, so that each one's codes go to its own people."""
    private, public = Issuer().write_to(folder)
    name = f"users_pair_{next(_number)}"
    with ExitStack() as stack:
        carriers = [stack.enter_context(carrier.running()) for _ in range(2)]
        told = [settings(private, public, one.url) for one in carriers]
        monolith = stack.enter_context(running_monolith(monolith_server, told[0], folder / "monolith.log"))
        tell_by_outbox(monolith.dsn)
        database = create_users_database(services_server, name)
        environment = {**told[1], "USERS_DATABASE_URL": database, "AMQP_URL": NO_BROKER}
        service = ServiceProcess(environment, folder / "users.log", USERS_SERVICE, runner=runner).start()
        stack.callback(service.kill)
        dsn = services_server.dsn(name)
        clear = [
            stack.enter_context(clearing(*one)) for one in ((monolith.dsn, CLEAR_USERS_HERE), (dsn, CLEAR_USERS_THERE))
        ]
        asked = [
            Asked(
                USERS,
                _browsers_of(url),
                {"code": partial(_codes, one)},
                sessions=True,
            )
            for url, one in zip((monolith.url, service.url), carriers, strict=True)
        ]
        for one in asked:
            stack.callback(one.close)
        resets = [one.reset for one in carriers]
        effects = tuple(partial(_messages, one) for one in carriers)
        yield Pair(USERS, asked[0], asked[1], Tables(USERS, monolith.dsn, dsn), (*clear, *resets), effects), service


def _browsers_of(url: str) -> dict[str, Client]:
    return {name: Client(url, keep_alive=False) for name in BROWSERS}


def _messages(one: carrier.Carrier) -> list[str]:
    """To whom, and the text without its code."""
    return [f"{message.to}: {re.sub('[0-9]{6}', '######', message.text)}" for message in one.messages]


def _codes(one: carrier.Carrier) -> list[str]:
    return [message.code for message in one.messages]
