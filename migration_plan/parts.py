"""What a move of one domain works with: its plan, both sides, the proxies, the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cdc.kafka.transport import KafkaTransport
from cdc.projection import Table
from migration_plan.configuration.plan import Plan
from migration_plan.errors import SideUnreachable
from migration_plan.gate import Gate
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Row, Side, Stage
from migration_plan.sides.side import SideDatabase
from proxy.client import ProxyClient
from proxy.errors import ProxyUnreachable, RouteRefused

STAGES_WITH_WORK = (Stage.SHADOW, Stage.CANARY)
"""Those that are nothing without work of their own."""


def no_checkpoint(name: str) -> None:
    """Production passes every checkpoint; tests pass a callable that dies there."""


def publisher_of(domain: str, side: Side) -> str:
    return f"{domain}_outbox_{side}"


@dataclass(frozen=True)
class Parts:
    """Everything a move of one domain touches."""

    plan: Plan
    sides: Mapping[Side, SideDatabase]
    proxies: Sequence[ProxyClient]
    journal: Journal
    broker_url: str = ""
    plans: Sequence[Plan] = ()
    """Of all domains: what one tells when another one moves."""
    kafka: KafkaTransport | None = None
    """How the streams go through Kafka; None: straight from the slot."""
    work: Mapping[Stage, StageWork] = field(default_factory=dict)
    """What runs beside the domain in `shadow` and in `canary`."""

    @property
    def domain(self) -> str:
        return self.plan.domain

    @property
    def neighbours(self) -> tuple[Plan, ...]:
        """The plans of the other domains."""
        return tuple(plan for plan in self.plans if plan.domain != self.domain)

    def close(self) -> None:
        for database in self.sides.values():
            database.close()
        self.journal.close()

    def without_silent_proxies(self) -> Parts:
        """With the proxies that answer now. The controller tells the others where things stand once they are back.

        Where none answers any more all of them stay: somebody has to hold, and whoever asks them to finds it out.
        """
        return replace(self, proxies=[proxy for proxy in self.proxies if _answers(proxy)] or self.proxies)

    def stream_to(self, side: Side) -> str:
        return f"{self.domain}_to_{side}"

    def publisher_of(self, side: Side) -> str:
        """Who brings what the domain tells on that side to the broker."""
        return publisher_of(self.domain, side)

    def sequences_from(self, giver: Side) -> list[tuple[str, str]]:
        pairs = [(Table.parse(pair.monolith).quoted, Table.parse(pair.service).quoted) for pair in self.plan.sequences]
        return pairs if giver is Side.MONOLITH else [(service, monolith) for monolith, service in pairs]

    def route(self, epoch: int, owner: Side) -> list[str]:
        """Tell every proxy who owns; names those that did not answer (the fence and the controller see to them)."""
        silent = []
        for proxy in self.proxies:
            try:
                proxy.set_route(self.domain, epoch, owner)
            except ProxyUnreachable:
                silent.append(proxy.name)
            except RouteRefused:
                continue  # It knows a later epoch already: a successor was here.
        return silent

    def requests_in_flight(self) -> int:
        """Writes of the domain that the proxies have let in and that are not answered yet."""
        return sum(proxy.inflight(self.domain) for proxy in self.proxies)

    def held_so_far(self) -> int:
        """How many requests of the domain all proxies have held since they started."""
        series, total = f'fig_proxy_holds_total{{domain="{self.domain}"}} ', 0
        for proxy in self.proxies:
            try:
                lines = proxy.metrics().splitlines()
            except ProxyUnreachable:
                continue
            total += sum(int(float(line.removeprefix(series))) for line in lines if line.startswith(series))
        return total

    def release_hold(self, epoch: int) -> None:
        """Let the waiting requests go on; a proxy that is away lets them go by itself at its bound."""
        for proxy in self.proxies:
            try:
                proxy.release(self.domain, epoch)
            except (ProxyUnreachable, RouteRefused):
                continue


def _answers(proxy: ProxyClient) -> bool:
    try:
        proxy.routes()
    except ProxyUnreachable:
        return False
    return True


@dataclass(frozen=True)
class StageWork:
    """What runs beside a domain while it is in one stage.

    The stage in the journal is the decision; what runs at the proxies and in daemons follows it. So a move that dies
    after the decision is finished by the controller, which calls `begin` or `end` again. Both may be repeated by
    anyone at any time, and return only when every live proxy has it.
    """

    stage: Stage
    begins: str
    """What `begin` does, as a dry run says it; `ends` likewise."""
    ends: str
    begin: Callable[[Parts], None]
    """After the journal's stage has become `stage`."""
    end: Callable[[Parts], None]
    """After the journal's stage has become another one."""
    gates: Callable[[Parts], tuple[Gate, ...]]
    """What has to hold to leave the stage forwards; measures, changes nothing."""


def read_rows(parts: Parts) -> dict[Side, Row | None]:
    """Both sides' rows; None where a database cannot be read or does not know the domain."""
    rows: dict[Side, Row | None] = {}
    for side, database in parts.sides.items():
        try:
            rows[side] = database.row(parts.domain)
        except SideUnreachable:
            rows[side] = None
    return rows
