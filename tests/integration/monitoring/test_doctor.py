"""`fig doctor` names each fault that is there, says what to type, and is silent when all is well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml

from migration_plan.doctor.finding import CODES
from migration_plan.exit_codes import Exit
from migration_plan.lifecycle import Side, Stage
from migration_plan.local import folder
from migration_plan.versions import VERSIONS
from tests.integration.plan.conftest import World
from tests.support.certificates import Authority
from tests.support.postgres import free_port
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def well(world: World) -> None:
    """In `sync`, compared, and nothing to say."""
    world.bring_to(Stage.SYNC)
    world.verify()
    wait_until(lambda: not found(world), 20, "the doctor finds nothing")


def found(world: World) -> set[str]:
    said = world.json("doctor")

    assert said["healthy"] is (not said["findings"])
    for finding in said["findings"]:
        assert finding["severity"] == CODES[finding["code"]][0]
        assert finding["what"]
        assert finding["next_step"]
    return {finding["code"] for finding in said["findings"]}


def expect(world: World, code: str) -> None:
    wait_until(lambda: code in found(world), 20, f"the doctor finds {code}", every=0.2)
    said = world.fig("doctor")
    assert said.returncode == Exit.NOT_WELL
    assert code in said.stdout


def on(world: World, name: str) -> psycopg.Connection[Any]:
    return psycopg.connect(world.admin[name], autocommit=True)


def test_a_healthy_domain_is_said_to_be_healthy(world: World) -> None:
    said = world.fig("doctor")
    assert (said.returncode, said.stdout) == (Exit.OK, "everything is healthy: parcels\n")


@contextmanager
def refusing(world: World, name: str) -> Iterator[None]:
    """The database lets nobody in; its server goes on."""
    database = psycopg.conninfo.conninfo_to_dict(world.admin[name])["dbname"]
    elsewhere = psycopg.conninfo.make_conninfo(world.admin[name], dbname="postgres")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f'alter database "{database}" allow_connections false')
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database])
        try:
            yield
        finally:
            connection.execute(f'alter database "{database}" allow_connections true')


def test_a_journal_that_is_away(world: World) -> None:
    with refusing(world, "journal"):
        expect(world, "journal-away")


def test_the_owners_database_is_away_so_nobody_owns(world: World) -> None:
    with refusing(world, "monolith"):
        expect(world, "side-away")
        assert "nobody-owns" in found(world)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("update fig.domain set state = 'released'", "nobody-owns"),
        ("update fig.domain set epoch = epoch + 4", "proxy-behind"),
        ("alter table public.parcel enable trigger a_fig_fence", "fence-breach"),
    ],
)
def test_rows_and_fences_that_are_not_as_they_should_be(world: World, fault: str, code: str) -> None:
    with on(world, "monolith") as connection, undone(connection):
        connection.execute(fault.encode())
        expect(world, code)


@contextmanager
def undone(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """The row and the fence as they were."""
    row = connection.execute("select state, epoch from fig.domain where domain = 'parcels'").fetchone()
    assert row
    try:
        yield
    finally:
        connection.execute("update fig.domain set state = %s, epoch = %s where domain = 'parcels'", row)
        connection.execute("select fig.repair_fence('parcels', 1000)")


def test_a_switch_that_began_and_of_which_nothing_is_known(world: World) -> None:
    with world.parts() as parts:
        row, switch = parts.sides[Side.MONOLITH].row("parcels"), uuid4()
        assert row
        parts.journal.record("parcels", "intent", row.epoch + 1, switch, giver=Side.MONOLITH, owner_epoch=row.epoch)
        try:
            expect(world, "unsettled")
        finally:
            parts.journal.record("parcels", "aborted", row.epoch, switch)


def test_two_owners(world: World) -> None:
    with on(world, "service") as connection, undone(connection):
        connection.execute("update fig.domain set state = 'owner'")
        expect(world, "two-own")


def test_a_stream_that_somebody_has_paused(world: World) -> None:
    world.fig("sync", "stop", "parcels", "--direction", "to_service")
    try:
        expect(world, "stream-paused")
    finally:
        world.fig("sync", "start", "parcels")


def test_a_stream_that_cannot_go_on(world: World) -> None:
    with on(world, "service") as service, on(world, "monolith") as monolith:
        service.execute("alter table public.parcel add constraint short check (length(place) < 5) not valid")
        monolith.execute("insert into public.parcel values (7001, 'far away')")
        expect(world, "stream-stopped")
        service.execute("alter table public.parcel drop constraint short")


def test_a_comparison_that_found_something(world: World) -> None:
    with on(world, "service") as service:
        unseen(service, "insert into public.parcel values (7002, 'nowhere')")
        try:
            world.verify()
            expect(world, "rows-differ")
        finally:
            unseen(service, "delete from public.parcel where id = 7002")


def unseen(connection: psycopg.Connection[Any], change: str) -> None:
    """As a copy gone wrong: past the fence, and no stream hears of it."""
    connection.execute("set session_replication_role = replica")
    connection.execute("alter publication fig_parcels drop table public.parcel")
    connection.execute(change.encode())
    connection.execute("alter publication fig_parcels add table public.parcel")


@contextmanager
def changed(world: World, **changes: Any) -> Iterator[None]:
    """The plan as it is meanwhile."""
    file = world.settings.parent / "parcels.yml"
    before = file.read_text()
    file.write_text(yaml.safe_dump({**yaml.safe_load(before), **changes}))
    try:
        yield
    finally:
        file.write_text(before)


def test_an_old_comparison(world: World) -> None:
    with changed(world, gates={"verification_age": "10ms"}):
        expect(world, "verification-stale")


def test_a_slot_that_keeps_more_than_half_of_its_budget(world: World) -> None:
    world.fig("sync", "stop", "parcels", "--direction", "to_service")
    try:
        with on(world, "monolith") as connection, changed(world, budget={"wal": "17MB"}):
            connection.execute("select pg_logical_emit_message(false, 'filling', repeat('x', 9000000))")
            expect(world, "wal-budget")
    finally:
        world.fig("sync", "start", "parcels")


def test_a_disk_that_is_smaller_than_the_budget(world: World) -> None:
    with changed(world, budget={"wal": "900000GB"}):
        expect(world, "disk-low")


def test_a_proxy_whose_plan_has_changed(world: World) -> None:
    with changed(world, routes=[{"path": "/api/parcels"}, {"path": "/api/boxes"}]):
        expect(world, "proxy-drift")


def test_a_clock_that_is_wrong(world: World) -> None:
    with on(world, "service") as service:
        service.execute(
            "create function public.clock_timestamp() returns timestamptz language sql as"
            " $$ select pg_catalog.clock_timestamp() + interval '90 seconds' $$;"
            " alter role fig in database " + service.info.dbname + " set search_path = public, pg_catalog"
        )
        try:
            expect(world, "clock-skew")
        finally:
            service.execute(f"alter role fig in database {service.info.dbname} reset search_path")
            service.execute("drop function public.clock_timestamp()")


def test_processes_that_show_no_figures(world: World) -> None:
    before = world.settings.read_text()
    nowhere = {"metrics": f"127.0.0.1:{free_port()}"}
    world.settings.write_text(yaml.safe_dump({**yaml.safe_load(before), "streams": nowhere, "controller": nowhere}))
    try:
        expect(world, "streams-silent")
        expect(world, "controller-silent")
    finally:
        world.settings.write_text(before)


def test_a_proxy_that_is_away(world: World) -> None:
    socket = world.settings.parent / "nginx" / "admin.sock"
    socket.rename(socket.with_suffix(".away"))
    try:
        expect(world, "proxy-away")
    finally:
        socket.with_suffix(".away").rename(socket)


def test_what_a_killed_rehearsal_has_left_on_disk(world: World) -> None:
    state = world.settings.parent / "none-rehearsal"
    folder.prepare(state)
    [finding] = world.json("doctor")["findings"]
    assert finding["code"] == "rehearsal-left"
    variable, *command = finding["next_step"].split()
    assert world.fig(*command[1:], FIG_STATE=variable.partition("=")[2]).returncode == 0
    assert not state.exists()
    assert not found(world)


@pytest.mark.parametrize(
    ("where", "version", "code"), [("service", 99, "schema-newer"), ("monolith", 0, "schema-older")]
)
def test_another_fig_was_in_a_database_and_it_is_left_as_it_is(
    world: World, where: str, version: int, code: str
) -> None:
    with on(world, where) as connection:
        connection.execute("update fig.version set version = %s where part = 'side'", [version])
        try:
            assert found(world) == {code}
            there = connection.execute("select version from fig.version where part = 'side'").fetchone()
            assert there == (version,)
        finally:
            connection.execute("update fig.version set version = %s where part = 'side'", [VERSIONS["side"]])


def test_a_column_that_the_lens_does_not_explain(world: World) -> None:
    with on(world, "service") as connection:
        connection.execute("alter table public.parcel add column weight int")
        try:
            expect(world, "lens-misfit")
        finally:
            connection.execute("alter table public.parcel drop column weight")


@pytest.fixture
def with_tls(world: World, tmp_path: Path) -> Iterator[Path]:
    """Where the files are that fig.yml names; what runs is as it was."""
    before = world.settings.read_text()
    document = yaml.safe_load(before)
    document["proxies"][0]["tls"] = {"certificate": str(tmp_path / "shown.pem"), "key": str(tmp_path / "shown.key")}
    document["upstreams"]["elsewhere"] = ["127.0.0.1:1"]
    document["upstream_tls"] = {"authorities": str(tmp_path / "authority.pem"), "names": {"elsewhere": "localhost"}}
    world.settings.write_text(yaml.safe_dump(document))
    yield tmp_path
    world.settings.write_text(before)


def test_certificates_that_have_ended_or_will_or_have_not_begun(world: World, with_tls: Path) -> None:
    good = (-3.0, 30.0)
    for days, code in (
        (good, None),
        ((-30.0, -0.1), "certificate-expired"),
        ((-30.0, 20.9), "certificate-expires"),
        ((0.1, 30.0), "certificate-not-yet"),
    ):
        for shown, trusted in ((days, good), (good, days)):
            Authority(with_tls, trusted).issue("shown", days=shown)
            # The proxy that runs knows nothing of them yet.
            assert found(world) == {"proxy-drift", *([code] if code else [])}


def test_certificates_and_keys_that_do_not_fit_or_are_not_there(world: World, with_tls: Path) -> None:
    authority = Authority(with_tls, (-3.0, 30.0))
    authority.issue("shown", days=(-3.0, 30.0))
    authority.issue("other").key.replace(with_tls / "shown.key")
    assert found(world) == {"proxy-drift", "certificate-key"}
    for name in ("shown.pem", "shown.key", "authority.pem"):
        Authority(with_tls, (-3.0, 30.0)).issue("shown", days=(-3.0, 30.0))
        (with_tls / name).unlink()
        assert found(world) == {"certificate-unreadable"}
        (with_tls / name).write_text("no certificate\n")
        assert found(world) == {"proxy-drift", "certificate-unreadable"}
