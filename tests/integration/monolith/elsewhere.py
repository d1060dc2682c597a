"""A catalog that is owned elsewhere: a second shop with its own database, behind a real server, and the seam to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from legacy_monolith import jobs
from migration_plan.lifecycle import Side
from migration_plan.sides.side import SideDatabase
from tests.integration.monolith.shop import Person, Shop
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

TABLES = {
    "catalog": ["products", "stock_movements", "stock_reservations", "stock_reservation_lines"],
    "payments": ["cart_items", "orders", "order_lines", "payments", "refunds", "stripe_events", "payments_outbox"],
    "notifications": ["notification_preferences", "notification_messages", "notifications_inbox"],
    "users": ["users", "phone_codes", "rate_limits", "users_outbox"],
}
ROOT = Path(__file__).parents[3]


@dataclass
class Program:
    """A process of the monolith with the environment of a shop."""

    shop: Shop
    arguments: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "MONOLITH_DATABASE_URL": self.shop.url("shop_app"),
            "SECRET_KEY": self.shop.app.config["SECRET_KEY"],
            "IDENTITY_PRIVATE_KEY_FILE": str(self.shop.identity_key),
            **self.environment,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.arguments], env=environment, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def require_running(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()

    def end(self, signal_number: int) -> int:
        """The signal goes to the whole process group, as workers would otherwise outlive a killed master."""
        assert self.process is not None
        os.killpg(self.process.pid, signal_number)
        return self.process.wait(40)


@dataclass
class Server(Program):
    """The monolith under gunicorn, with its own configuration."""

    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        super().start()
        wait_until(self.is_ready, 30, f"the monolith on port {self.port} is ready; log: {self.log}")

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def server(shop: Shop, log: Path, **environment: str) -> Server:
    port = free_port()
    command = ["gunicorn", "-c", "legacy_monolith/gunicorn.conf.py", "-w", "1", "legacy_monolith:create_app()"]
    return Server(shop, command, log, {**environment, "MONOLITH_BIND": f"127.0.0.1:{port}"}, port=port)


def move_away(shop: Shop, domain: str) -> None:
    """As after a switch: the fence is up, and the row says that this side stands by."""
    prepare_fences(shop)
    enroll(shop, domain, "standby")


def prepare_fences(shop: Shop) -> None:
    """The toolkit's role and objects; no domain is recorded yet."""
    with psycopg.connect(shop.server.dsn(shop.database), autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = 'fig'").fetchone() is None:
            admin.execute("create role fig login replication")
        admin.execute("grant shop_owner to fig; grant pg_monitor to fig")
        admin.execute("grant set on parameter session_replication_role to fig")
        admin.execute(f"grant create on database {shop.database} to fig")
        admin.execute("create schema if not exists fig authorization fig")
        admin.execute("set role fig")
        admin.execute((ROOT / "cdc" / "stream.sql").read_text())
    with closing(SideDatabase(Side.MONOLITH, shop.server.dsn(shop.database, "fig"))) as side:
        side.install()


def enroll(shop: Shop, domain: str, state: str) -> None:
    with closing(SideDatabase(Side.MONOLITH, shop.server.dsn(shop.database, "fig"))) as side:
        side.enroll(domain, state, 1, [f"public.{table}" for table in TABLES[domain]], 5.0)


def own(shop: Shop, domain: str, owns: bool) -> None:
    """What a switch changes in this side's database."""
    shop.query("update fig.domain set state = %s where domain = %s", "owner" if owns else "standby", domain)
    shop.query("select fig.arm(%s, %s)", domain, not owns)


def own_catalog(shop: Shop, owns: bool) -> None:
    own(shop, "catalog", owns)


def copy_product(origin: Shop, target: Shop, product_id: int) -> None:
    """What the stream does: the row appears in the copy, past the fence."""
    columns = "id, seller_id, title, description, category, price, stock"
    [row] = origin.query(f"select {columns} from products where id = %s", product_id)
    with psycopg.connect(target.server.dsn(target.database), autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute(f"insert into products ({columns}) values (%s, %s, %s, %s, %s, %s, %s)", row)


def disagreements(front: Shop, catalog: Shop) -> list[tuple[Any, ...]]:
    """Orders whose state and lines are not those of their reservation."""
    reservations = {
        key: (state, lines)
        for key, state, lines in catalog.query(
            "select r.key, r.state, array_agg((l.product_id, l.quantity)::text order by l.product_id)"
            " filter (where l.product_id is not null)"
            " from stock_reservations r left join stock_reservation_lines l on l.reservation_key = r.key group by 1, 2"
        )
    }
    orders = front.query(
        "select o.key, o.state, array_agg((l.product_id, l.quantity)::text order by l.product_id)"
        " from orders o join order_lines l on l.order_id = o.id group by 1, 2"
    )
    wrong: list[tuple[Any, ...]] = []
    for key, state, lines in orders:
        reserved_state, reserved_lines = reservations.pop(key, ("released", None))
        agreed = (state, reserved_state) in (
            ("placed", "confirmed"), ("cancelled", "released"), ("failed", "released"),
        )  # fmt: skip
        if not agreed or (state == "placed" and lines != reserved_lines):
            wrong.append((key, state, reserved_state, lines, reserved_lines))
    wrong += [(key, "no order", *reservation) for key, reservation in reservations.items()]
    return wrong


@dataclass
class Apart:
    """The shop's front, whose catalog is owned elsewhere, and the shop that owns it."""

    front: Shop
    catalog: Shop
    server: Server
    seller: Person

    def offer(self, **fields: object) -> int:
        product = self.seller.offer(**fields)["id"]
        copy_product(self.catalog, self.front, product)
        return product

    def finish_orders(self) -> None:
        """The background process, once nobody works on the orders any more."""
        self.front.query("update orders set retry_at = now() where retry_at is not null")
        jobs.finish_orders(self.front.app)

    def states(self) -> list[str]:
        return [state for (state,) in self.front.query("select state from orders order by id")]

    def require_agreement(self) -> None:
        self.catalog.require_books_to_balance()
        assert disagreements(self.front, self.catalog) == []
        assert self.front.query("select 1 from orders where retry_at is not null") == []


class Died(BaseException):
    """The process ends here; nothing of the application gets to react."""


def dying(apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, moment: str) -> Callable[[], None]:
    """Make the front die once around `call`; returns what brings it back to life."""
    remote = apart.front.app.extensions["remote_stock"]
    real = getattr(remote, call)

    def dies(*arguments: object) -> None:
        if moment == "after":
            real(*arguments)
        raise Died

    monkeypatch.setattr(remote, call, dies)
    return lambda: monkeypatch.setattr(remote, call, real)


def meanwhile(apart: Apart, monkeypatch: pytest.MonkeyPatch, call: str, event: Callable[[], object]) -> None:
    """Let something happen between the answer to `call` and what the caller does with it, or just before `call`."""
    remote = apart.front.app.extensions["remote_stock"]
    real = getattr(remote, call)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(remote, call, real)
        if call == "confirm":
            event()
        answer = real(*arguments)
        if call == "reserve":
            event()
        return answer

    monkeypatch.setattr(remote, call, interrupted)


def in_another_process(event: Callable[[], object]) -> None:
    """With a database session of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(event).result()
