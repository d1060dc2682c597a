"""The sample's shop and its catalog service, with revisions of Alembic that come while the domain is being moved."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict

from cdc import install
from cdc.copying import snapshot
from cdc.spec import StreamSpec
from cdc.stream import Stream
from extracted.platform.migrations import migrate as migrate_service
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.integration.cdc.lens.shop import LENS, ROOT, SEED, Shop, create_shop, execute
from tests.integration.cdc.stream.conftest import Running
from tests.support.postgres import PostgresServer

PATIENCE = 5.0


@dataclass
class History:
    """One side's folder of revisions, the sample's own and those that a test adds; each runs as the tables' owner."""

    folder: Path
    run: Callable[[Path], None]
    last: str
    number: int = 0

    def revise(self, body: str) -> None:
        """One more revision, and everything up to it."""
        self.number += 1
        name = f"test{self.number}"
        header = (
            f'from alembic import op\nimport sqlalchemy as sa\n\nrevision = "{name}"\ndown_revision = "{self.last}"'
        )
        text = f"{header}\n\n\ndef upgrade() -> None:\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        path = self.folder / "versions" / f"{name}.py"
        path.write_text(text)
        try:
            self.run(self.folder)
        except BaseException:
            path.unlink()
            raise
        self.last = name


@dataclass
class Sides:
    """Both histories, and the stream of the direction that the owner gives."""

    shop: Shop
    owner: Side
    histories: dict[Side, History]
    dsns: dict[Side, str] = field(default_factory=dict)

    @property
    def stream(self) -> StreamSpec:
        return self.shop.forward if self.owner is Side.MONOLITH else self.shop.backward

    @property
    def source(self) -> History:
        return self.histories[self.owner]

    @property
    def target(self) -> History:
        return self.histories[self.owner.other]

    def on_source(self, query: str) -> list[tuple[Any, ...]]:
        """As the superuser: who writes is not what is looked at here."""
        return execute(self.dsns[self.owner], query)

    def on_target(self, query: str) -> list[tuple[Any, ...]]:
        return execute(self.dsns[self.owner.other], query)

    def running(self) -> Running:
        return Running(Stream(self.stream))


def _migrate_monolith(url: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["url"] = url
        command.upgrade(config, "head")

    return run


@pytest.fixture(scope="module", params=list(Side), ids=["monolith-owns", "service-owns"])
def sides(
    request: pytest.FixtureRequest, monolith_server: PostgresServer, services_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sides]:  # fmt: skip
    owner: Side = request.param
    shop = create_shop(monolith_server, services_server)
    shop.on_monolith(SEED.format(products=20))
    snapshot.copy(shop.forward)
    install.prepare_reverse(shop.backward)
    servers = {Side.MONOLITH: (monolith_server, shop.monolith), Side.SERVICE: (services_server, shop.service)}
    dsns = {}
    for side, (server, dsn) in servers.items():
        dsns[side] = server.dsn(str(conninfo_to_dict(dsn)["dbname"]))
        database = SideDatabase(side, dsn)
        database.install()
        tables = [table.quoted for table in LENS.tables(side)]
        database.enroll("catalog", "owner" if side is owner else "standby", 1, tables, 1.0)
        database.close()
        server.run(dsns[side], (ROOT / "migration_plan" / "sync" / "sentry.sql").read_text())
    folder = tmp_path_factory.mktemp("revisions")
    homes = {Side.MONOLITH: ROOT / "legacy_monolith", Side.SERVICE: ROOT / "extracted" / "catalog"}
    for side, home in homes.items():
        shutil.copytree(home / "migrations", folder / side, ignore=shutil.ignore_patterns("__pycache__"))
    names = {side: str(conninfo_to_dict(dsn)["dbname"]) for side, dsn in dsns.items()}
    monolith = f"postgresql+psycopg://shop_owner@127.0.0.1:{monolith_server.port}/{names[Side.MONOLITH]}"
    service = f"postgresql+psycopg2://catalog_owner@127.0.0.1:{services_server.port}/{names[Side.SERVICE]}"
    histories = {
        Side.MONOLITH: History(folder / Side.MONOLITH, _migrate_monolith(monolith), "0005"),
        Side.SERVICE: History(folder / Side.SERVICE, lambda revisions: migrate_service(revisions, service), "0001"),
    }
    yield Sides(shop, owner, histories, dsns)
    shop.remove_streams()


def refused(error: BaseException) -> str | None:
    """The SQLSTATE at the bottom of what Alembic raised."""
    cause = getattr(error, "orig", error)
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else getattr(cause, "pgcode", None)
    return None if state is None else str(state)
