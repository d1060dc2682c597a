"""What the console's pages work with, one for the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app

from migration_plan import bootstrap
from migration_plan.configuration import settings
from migration_plan.console.entry import Throttle, Tickets
from migration_plan.console.live import Lookout
from migration_plan.console.runs import Runs
from migration_plan.console.standings import Standings
from migration_plan.journal.journal import Journal
from proxy.client import ProxyClient

PATIENCE = 1.0
"""Seconds for a proxy's answer: pages wait for it."""


@dataclass(frozen=True)
class Desk:
    """What pages work with."""

    environment: Mapping[str, str]
    journal: Journal
    lookout: Lookout
    tickets: Tickets
    throttle: Throttle
    standings: Standings
    runs: Runs


def desk() -> Desk:
    """The one of this application."""
    found: Desk = current_app.extensions["fig"]
    return found


def furnish(environment: Mapping[str, str]) -> Desk:
    """What pages work with here; nothing is connected before it is used."""
    said = settings.load(environment)
    proxies = [ProxyClient(one.name, one.admin_socket, PATIENCE) for one in said.proxies]
    return Desk(
        environment,
        Journal(said.journal.dsn),
        Lookout(bootstrap.all_parts(environment), proxies),
        Tickets(environment["FIG_CONSOLE_KEY"]),
        Throttle(),
        Standings(bootstrap.all_parts(environment)),
        Runs(environment),
    )
