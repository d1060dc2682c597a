"""Services that can be spoilt, each next to the monolith; and the list of what gave the defects away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.defects.found import NAME, Outcome
from tests.contract.differential.explore import Pair
from tests.contract.differential.pairs.catalog import catalog_pair
from tests.contract.differential.pairs.notifications import notifications_pair
from tests.contract.differential.pairs.payments import payments_pair
from tests.contract.differential.pairs.users import users_pair
from tests.integration.catalog.processes import ServiceProcess
from tests.support.postgres import PostgresServer

RUNNER = "tests.contract.defects"


@pytest.fixture(scope="module")
def catalog(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with catalog_pair(monolith_server, services_server, tmp_path_factory.mktemp("defects"), RUNNER) as both:
        yield both


@pytest.fixture(scope="module")
def users(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with users_pair(monolith_server, services_server, tmp_path_factory.mktemp("defects"), RUNNER) as both:
        yield both


@pytest.fixture(scope="module")
def payments(
    monolith_server: PostgresServer, services_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with payments_pair(monolith_server, services_server, tmp_path_factory.mktemp("defects"), RUNNER) as both:
        yield both


@pytest.fixture(scope="module")
def notifications(
    monolith_server: PostgresServer, services_server: PostgresServer, server_folder: Path
) -> Iterator[tuple[Pair, ServiceProcess]]:
    with notifications_pair(monolith_server, services_server, server_folder, RUNNER) as both:
        yield both


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shown where these tests run alone, as `make defects` does."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    outcomes = [Outcome(**value) for report in reports for name, value in report.user_properties if name == NAME]
    if outcomes:
        terminalreporter.section("seeded defects")
        for line in Outcome.listed(outcomes):
            terminalreporter.line(line)
