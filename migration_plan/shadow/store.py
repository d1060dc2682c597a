"""The evidence in the journal's database: sums by route, field and group of fields, and some masked examples.

    ShadowStore(dsn).begin(domain) | write(sums, dropped, since) | seen(domain) | examples(domain, …) | forget(domain)

One who dies between two writings loses at most a second of evidence, never a difference that was told before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from migration_plan.journal.session import Connection, JournalSession
from migration_plan.shadow.evidence import Field, Group, Seen
from migration_plan.shadow.tally import Sums
from proxy.shadow_comparer import Kind

EXAMPLES = 20
"""The newest of each field are kept, and none for longer than the plan says."""
_COLUMN = {
    Kind.COMPARED: "compared", Kind.HEALED: "healed", Kind.LAGGING: "lagging", Kind.VOID: "void",
    Kind.TOO_LARGE: "too_large", Kind.IMPURE: "impure",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One kept example: the shapes of both values."""

    route: str
    path: str
    at: datetime
    request_id: str
    monolith: str
    service: str


class ShadowStore(JournalSession):
    """Each call is one transaction. Not for several threads at once."""

    application = "fig-shadow"

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.session() as connection, connection.transaction():
            yield connection

    def begin(self, domain: str) -> None:
        """Start anew if the stage began after what is there was found; else change nothing. May be repeated."""
        with self._transaction() as connection:
            found = connection.execute(
                "select s.changed_at as stage_at, w.stage_at as known from fig.stage s"
                " left join fig.shadow w using (domain) where s.domain = %s",
                [domain],
            ).fetchone()
            if found is None or found["stage_at"] != found["known"]:
                _forget(connection, domain, None if found is None else found["stage_at"])

    def forget(self, domain: str) -> None:
        """All evidence, because the service or the plan is another one now."""
        with self._transaction() as connection:
            found = connection.execute("select stage_at from fig.shadow where domain = %s", [domain]).fetchone()
            _forget(connection, domain, found["stage_at"] if found else None)

    def since(self) -> dict[str, datetime]:
        """From when on each domain's evidence counts."""
        with self._transaction() as connection:
            return {row["domain"]: row["since"] for row in connection.execute("select domain, since from fig.shadow")}

    def write(
        self,
        sums: Sums,
        dropped: Mapping[tuple[str, str], int],
        since: Mapping[str, datetime],
        keep: Mapping[str, float],
    ) -> None:
        """Add what was found. What belongs to evidence that was thrown away meanwhile is left out.

        `since`: as it was when these sums began; `keep`: seconds for which a domain's examples stay.
        """
        with self._transaction() as connection:
            rows = connection.execute("select domain, since from fig.shadow for share").fetchall()
            domains = {row["domain"] for row in rows if since.get(row["domain"]) == row["since"]}
            _write_routes(connection, sums, domains)
            _write_fields(connection, sums, domains)
            _write_examples(connection, sums, domains, keep)
            for (domain, reason), count in sorted(dropped.items()):
                connection.execute(
                    "insert into fig.shadow_dropped as d values (%s, %s, %s)"
                    " on conflict (domain, reason) do update set count = d.count + excluded.count",
                    [domain, reason, count],
                )

    def seen(self, domain: str) -> dict[str, Seen]:
        """All evidence of a domain, by route."""
        with self._transaction() as connection:
            routes = connection.execute(
                "select *, extract(epoch from last_at - first_at)::float8 as seconds,"
                " extract(epoch from clock_timestamp() - last_at)::float8 as age"
                " from fig.shadow_route where domain = %s",
                [domain],
            ).fetchall()
            fields: dict[str, dict[str, Field]] = defaultdict(dict)
            for row in connection.execute("select * from fig.shadow_field where domain = %s", [domain]):
                fields[row["route"]][row["path"]] = Field(row["raw"], row["noise"])
            groups: dict[str, list[Group]] = defaultdict(list)
            for row in connection.execute(
                "select * from fig.shadow_group where domain = %s order by count desc, paths", [domain]
            ):
                group = Group(tuple(row["paths"]), row["count"], row["first_at"], row["last_at"])
                groups[row["route"]].append(group)
        names = ("healed", "lagging", "void", "too_large", "impure", "seconds", "age")
        return {
            row["route"]: Seen(
                compared=row["compared"] + row["healed"], **{name: row[name] for name in names},
                fields=fields[row["route"]], groups=tuple(groups[row["route"]]),
            )
            for row in routes
        }  # fmt: skip

    def examples(self, domain: str, of_each: int = 1) -> list[Shown]:
        """The newest of each route and field."""
        with self._transaction() as connection:
            found = connection.execute(
                "select route, path, at, request_id, monolith, service from"
                " (select *, row_number() over (partition by route, path order by id desc) as n"
                " from fig.shadow_example where domain = %s) e where n <= %s order by route, path, at desc",
                [domain, of_each],
            ).fetchall()
        return [Shown(**row) for row in found]

    def dropped(self, domain: str) -> dict[str, int]:
        """Samples that were not compared, by reason."""
        with self._transaction() as connection:
            found = connection.execute("select reason, count from fig.shadow_dropped where domain = %s", [domain])
            return {row["reason"]: row["count"] for row in found}

    def _prepare(self, connection: Connection) -> None:
        """Create the tables where they are not yet."""
        last = "select 1 from pg_class where oid = to_regclass('fig.shadow_dropped')"
        if connection.execute(last).fetchone() is None:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(hashtext('fig.shadow'))")
                connection.execute(files(__package__).joinpath("store.sql").read_text())


def _forget(connection: Connection, domain: str, stage_at: datetime | None) -> None:
    connection.execute(
        "insert into fig.shadow (domain, stage_at) values (%s, %s) on conflict (domain)"
        " do update set stage_at = excluded.stage_at, since = clock_timestamp()",
        [domain, stage_at],
    )
    for table in ("route", "field", "group", "example", "dropped"):
        connection.execute(f"delete from fig.shadow_{table} where domain = %s", [domain])  # noqa: S608


def _write_routes(connection: Connection, sums: Sums, domains: set[str]) -> None:
    for (domain, route, kind), count in sorted(sums.kinds.items()):
        if domain in domains:
            name = _COLUMN[kind]
            connection.execute(
                f"insert into fig.shadow_route as r (domain, route, {name}) values (%s, %s, %s)"  # noqa: S608
                f" on conflict (domain, route) do update set {name} = r.{name} + excluded.{name},"
                " last_at = clock_timestamp()",
                [domain, route, count],
            )
    for (domain, route, paths), count in sorted(sums.groups.items()):
        if domain in domains:
            connection.execute(
                "insert into fig.shadow_group as g (domain, route, paths, count) values (%s, %s, %s, %s)"
                " on conflict (domain, route, paths) do update set count = g.count + excluded.count,"
                " last_at = clock_timestamp()",
                [domain, route, list(paths), count],
            )


def _write_fields(connection: Connection, sums: Sums, domains: set[str]) -> None:
    for place in sorted(sums.raw.keys() | sums.noise.keys()):
        if place[0] in domains:
            connection.execute(
                "insert into fig.shadow_field as f values (%s, %s, %s, %s, %s) on conflict (domain, route, path)"
                " do update set raw = f.raw + excluded.raw, noise = f.noise + excluded.noise",
                [*place, sums.raw[place], sums.noise[place]],
            )


def _write_examples(connection: Connection, sums: Sums, domains: set[str], keep: Mapping[str, float]) -> None:
    for one in sums.examples:
        if one.domain in domains:
            connection.execute(
                "insert into fig.shadow_example (domain, route, path, request_id, monolith, service)"
                " values (%s, %s, %s, %s, %s, %s)",
                [one.domain, one.route, one.path, one.request_id, one.monolith, one.service],
            )
    for domain, seconds in keep.items():
        connection.execute(
            "delete from fig.shadow_example where domain = %s and at < clock_timestamp() - make_interval(secs => %s)",
            [domain, seconds],
        )
        connection.execute(
            "delete from fig.shadow_example where id in (select id from"
            " (select id, row_number() over (partition by route, path order by id desc) as n"
            " from fig.shadow_example where domain = %s) e where n > %s)",
            [domain, EXAMPLES],
        )
