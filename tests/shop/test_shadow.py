"""Users, payments and notifications in stage shadow, each by its own plan: nothing differs, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psycopg
import pytest
import yaml

from migration_plan import bootstrap
from migration_plan.comparing.verification import verify_domain
from migration_plan.lifecycle import Side, Stage
from migration_plan.moving.moves import Mover, current
from migration_plan.parts import Parts
from migration_plan.shadow.report import Report, report
from tests.load.moving import move_when_allowed
from tests.shop.owners import LIMITS, Owners
from tests.shop.story import CART, ME, MESSAGES, ORDERS, UNREAD, Resident, expect
from tests.support.stack import PROJECT, Stack
from tests.support.waiting import wait_until

SHADOWED = ("notifications", "payments", "users")
FEW: dict[str, object] = {"comparisons": 3, "mismatches": "80%"}
"""As little as may be called evidence."""


@dataclass(frozen=True)
class Shadowed:
    """The shop's own plans with more stages; the processes that run have the plans as they are."""

    stack: Stack
    environment: dict[str, str]
    watched: dict[str, Parts]
    """Of each domain, for who looks again and again: to read all plans anew each time takes longer than to look."""

    @contextmanager
    def mover(self, domain: str) -> Iterator[Mover]:
        one = bootstrap.build(domain, self.environment)
        with closing(one.parts):
            yield one

    def advance(self, domain: str) -> Stage:
        with self.mover(domain) as mover:
            return move_when_allowed(mover, forward=True).after

    def report(self, domain: str) -> Report:
        return report(self.watched[domain])

    def show(self, path: str) -> None:
        """The next read of this path is compared, whatever share the comparer asked for last: it asks each second."""
        domain = path.split("/")[2]
        for proxy in self.watched[domain].proxies:
            proxy.sample(domain, 1.0, 2.0)

    def are_good(self) -> bool:
        return all(self.report(domain).is_good for domain in SHADOWED)

    def differences(self, domain: str) -> int:
        with self.mover(domain) as mover:
            return verify_domain(mover.parts).count

    def leave(self) -> None:
        """Back to `sync`, however far it came."""
        for domain in SHADOWED:
            with self.mover(domain) as mover:
                if current(mover.parts)[0] is not Stage.SYNC:
                    mover.move(False, Stage.SYNC)


@contextmanager
def shadowed(stack: Stack, folder: Path, figures: dict[str, object]) -> Iterator[Shadowed]:
    """Plans that differ from the sample's by their stages and these figures alone."""
    settings = yaml.safe_load((PROJECT / "fig.yml").read_text())
    settings["static"] = [{**one, "folder": str(PROJECT / one["folder"])} for one in settings["static"]]
    for number, name in enumerate(settings["plans"]):
        plan = yaml.safe_load((PROJECT / name).read_text())
        if plan["domain"] in SHADOWED:
            plan["stages"] = ["monolith", "sync", "shadow", "service", "retired"]
            plan["shadow"] |= figures
        settings["plans"][number] = str(folder / f"{plan['domain']}.yml")
        Path(settings["plans"][number]).write_text(yaml.safe_dump(plan, sort_keys=False))
    (folder / "fig.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    one = Shadowed(stack, {**stack.env, "FIG_CONFIG": str(folder / "fig.yml")}, {})
    with ExitStack() as opened:
        for domain in SHADOWED:
            one.watched[domain] = opened.enter_context(one.mover(domain)).parts
        yield one


@dataclass
class Crowd:
    """A seller, a buyer with an order and a full cart, and somebody who is not logged in."""

    seller: Resident
    buyer: Resident
    stranger: Resident
    product: int
    order: int

    @classmethod
    def gathered(cls, url: str) -> Crowd:
        seller, buyer, stranger = Resident.signed_up(url, "seller"), Resident.signed_up(url), Resident.signed_up(url)
        product = seller.offer(50, "Shadowed lamp")
        buyer.put_in_cart(product, 2)
        order = buyer.post("/api/payments/checkout", status=201)["id"]
        buyer.put_in_cart(product, 1)
        expect(stranger.client.post("/api/users/logout"), 204)
        return cls(seller, buyer, stranger, product, order)

    def reads(self) -> list[tuple[Resident, str, int]]:
        """Who asks for what, and what they are told: each route as often as the others, for a rate is a route's."""
        preferences, sales, order = "/api/notifications/preferences", "/api/payments/sales", f"{ORDERS}/{self.order}"
        own = (ME, CART, ORDERS, f"{ORDERS}?limit=1", order, f"{MESSAGES}?limit=2", UNREAD, preferences)
        found = [(self.buyer, path, 200) for path in own]
        found += [(self.seller, path, 200) for path in (ME, sales, CART, MESSAGES, UNREAD, preferences)]
        found += [(self.buyer, sales, 403), (self.seller, order, 404)]
        everything = (ME, CART, ORDERS, order, sales, MESSAGES, UNREAD, preferences)
        return found + [(self.stranger, path, 401) for path in everything]

    def writes(self) -> Iterator[None]:
        """What happens in a shop meanwhile, one thing at a time, for ever."""
        for turn in cycle(range(4)):
            self.buyer.put_in_cart(self.product, turn + 1)
            self.buyer.post("/api/notifications/messages/read")
            expect(
                self.buyer.client.request("PATCH", "/api/notifications/preferences", {"sms": {"sales": turn % 2 == 0}}),
                200,
            )
            expect(self.buyer.client.request("PATCH", ME, {"name": f"{self.buyer.user['name']} {turn}"}), 200)
            yield

    def read_until(self, enough: Callable[[], bool], show: Callable[[str], None], seconds: float, what: str) -> None:
        """Everybody is told what they are always told; `show` is called with each path before it is read."""
        writing = self.writes()

        def turn() -> bool:
            next(writing)
            for who, path, status in self.reads():
                show(path)
                expect(who.client.get(path), status)
            return enough()

        wait_until(turn, seconds, what, every=0.01)


@pytest.fixture
def begun(stack: Stack, owners: Owners, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shadowed]:
    """All three in the stage, at the figures of the test."""
    owners.divide(())
    owners.forget_limits()
    with shadowed(stack, tmp_path, getattr(request, "param", FEW)) as one:
        try:
            for domain in SHADOWED:
                assert one.advance(domain) is Stage.SHADOW
            yield one
        finally:
            one.leave()


def rows(stack: Stack, side: Side) -> dict[str, str]:
    """The counters of what people may do how often."""
    variable, table = LIMITS[side]
    with psycopg.connect(stack.env[variable]) as connection:
        return dict(connection.execute(f"select key, free_at::text from {table}".encode()).fetchall())


@contextmanager
def copy_spoilt(stack: Stack, account: int, name: str) -> Iterator[None]:
    """The service's copy of one name is another one meanwhile, as if it had been applied wrongly: with an origin of
    ours, so that no stream takes it for a write of the service's."""
    with psycopg.connect(stack.env["FIG_USERS_ADMIN_DSN"], autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "select pg_replication_origin_create('fig_spoilt'), pg_replication_origin_session_setup('fig_spoilt')"
        )
        right = connection.execute("select name from account where id = %s", [account]).fetchone()
        assert right is not None
        connection.execute("update account set name = %s where id = %s", [name, account])
        try:
            yield
        finally:
            connection.execute("update account set name = %s where id = %s", [*right, account])
            connection.execute("select pg_replication_origin_session_reset(), pg_replication_origin_drop('fig_spoilt')")


def kept(parts: Parts) -> str:
    """All that the comparer has written about the domain."""
    with psycopg.connect(parts.journal.dsn) as connection:
        tables = ("shadow_route", "shadow_field", "shadow_group", "shadow_example")
        found = [
            connection.execute(f"select * from fig.{one} where domain = %s".encode(), [parts.domain]) for one in tables
        ]
        return "\n".join(str(row) for cursor in found for row in cursor.fetchall())


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(FEW, id="a-little"),
        pytest.param({}, id="as-the-plans-want", marks=[pytest.mark.full, pytest.mark.timeout(1200)]),
    ],
    indirect=True,
)
def test_the_reads_of_each_domain_are_compared_and_nothing_differs_or_is_done(stack: Stack, begun: Shadowed) -> None:
    crowd = Crowd.gathered(stack.env["FIG_PUBLIC_URL"])
    before = {side: rows(stack, side) for side in Side}
    crowd.read_until(begun.are_good, begun.show, 900, "each route is compared: fig shadow report DOMAIN")
    found = [begun.report(domain) for domain in SHADOWED]
    assert [line.as_json() for one in found for line in one.lines] == []
    assert {route.seen.impure for one in found for route in one.verdicts} == {0}, "no read wants to write"
    for side in Side:
        after = rows(stack, side)
        assert after.items() <= before[side].items(), "to be asked again is no use of what people may do so often"
    # Nobody was logged out, nobody's token is another one, and the copies are copies.
    expect(crowd.buyer.client.request("PATCH", ME, {"name": "Same"}), 200)
    for domain in SHADOWED:
        assert begun.advance(domain) is Stage.SERVICE
    for who, path, status in crowd.reads():
        expect(who.client.get(path), status)
    begun.leave()
    assert sum(begun.differences(domain) for domain in SHADOWED) == 0


def test_a_copy_that_differs_is_named_and_nobodys_name_is_kept(stack: Stack, begun: Shadowed) -> None:
    crowd = Crowd.gathered(stack.env["FIG_PUBLIC_URL"])
    someone = crowd.buyer.user

    def named() -> bool:
        begun.show(ME)
        crowd.buyer.get(ME)
        return bool(begun.report("users").lines)

    with copy_spoilt(stack, int(someone["id"]), "Mallory O'Neil-Smythe"):
        wait_until(named, 30, "the name is found", every=0.02)
        [line] = begun.report("users").lines
    assert (line.route, line.path) == (ME, "name")
    assert line.example is not None
    assert line.example.service == '"Aaaaaaa A\'Aaaa-Aaaaaa"'
    with begun.mover("users") as mover:
        told = kept(mover.parts)
    assert not [
        secret for secret in (someone["name"], someone["email"], "Mallory", "session=", "eyJ") if secret in told
    ]
