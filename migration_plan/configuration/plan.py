"""A domain's plan file as frozen values: read, substituted, validated; every problem in one message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from cdc.capture.budget import Budget
from cdc.errors import CdcError
from cdc.lens import Lens
from cdc.projection import Direction, Table
from migration_plan.configuration import documents
from migration_plan.configuration.canary_rules import CanaryRules
from migration_plan.configuration.shadow_rules import ShadowRules
from migration_plan.configuration.shadow_rules import problems as problems_of_shadow
from migration_plan.configuration.units import Bytes, Duration, seconds
from migration_plan.lifecycle import Side, Stage, problem_of

QualifiedName = Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")]
RoutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$")]
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


def _age(value: object) -> float | None:
    return None if value == "never" else seconds(value)


class _Part(documents.Part):
    model_config = ConfigDict(strict=False)  # YAML lists become tuples.


class Route(_Part):
    """A path prefix (on whole segments) that belongs to the domain; all methods unless some are named."""

    path: RoutePath  # A prefix on whole segments: /api/catalog is /api/catalog/products, too, and not /api/catalogue.
    methods: tuple[Method, ...] = ()  # None named: all.


class SidePlan(_Part):
    """Where one side lives. `admin_dsn` is used for one thing only: installing the event trigger."""

    dsn: str = Field(repr=False, min_length=1)  # Its database, as the role of fig; from the environment.
    admin_dsn: str = Field(default="", repr=False)  # The same as a superuser (docs/managed-postgresql.md).
    upstream: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")  # Which of fig.yml's upstreams answers its requests.


class Sides(_Part):
    """Both places that the domain can live in."""

    monolith: SidePlan  # Where it comes from.
    service: SidePlan  # Where it goes to.

    def __getitem__(self, side: Side) -> SidePlan:
        return self.monolith if side is Side.MONOLITH else self.service


class SequencePair(_Part):
    """Two sequences that feed the same column: the new owner's is set past the old one's at each switch."""

    monolith: QualifiedName  # schema.name
    service: QualifiedName  # schema.name


class OutboxPlan(_Part):
    """The tables into which the domain writes what it tells others; both are among the domain's own tables."""

    monolith: QualifiedName  # schema.name
    service: QualifiedName  # schema.name

    def __getitem__(self, side: Side) -> Table:
        return Table.parse(self.monolith if side is Side.MONOLITH else self.service)


class InboxPlan(_Part):
    """The queue from which the domain hears of others; dead letters are in `<queue>.dead`."""

    queue: str = Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")  # Its name at the broker.


class Crossing(_Part):
    """What crosses the domain's border, each named and explained."""

    # Of each key that crosses: it stays, or goes with a switch to the service and comes back with a rollback.
    foreign_keys: dict[str, Literal["keep", "drop"]] = Field(default_factory=dict)
    # Of each trigger on the domain's tables: why it is right that rows of the stream do not fire it.
    triggers: dict[str, str] = Field(default_factory=dict)


Why = Annotated[str, Field(pattern=r"\S")]


class Writers(_Part):
    """Everybody and everything that writes the domain's tables on either side, each with the reason why that is known.

    A plan with this section is refused while anything else writes; one without it is only told who does.
    """

    roles: dict[str, Why] = Field(default_factory=dict)  # Who may write, by grant or as the tables' owner.
    applications: dict[str, Why] = Field(default_factory=dict)  # application_name of sessions; none: roles are enough.
    functions: dict[str, Why] = Field(default_factory=dict)  # As PostgreSQL writes them: shop.close(integer).
    views: dict[str, Why] = Field(default_factory=dict)  # Through which the tables can be written.
    rules: dict[str, Why] = Field(default_factory=dict)  # NAME on TABLE: of other tables, writing these.
    policies: dict[str, Why] = Field(default_factory=dict)  # NAME on TABLE: row-level security, which hides rows.


class Gates(_Part):
    """Figures that must hold before a switch."""

    lag: Duration = 2.0  # How far the copy may be behind.
    verification_age: Duration = 3600.0  # How old the last verification without a difference may be.
    contract_age: Annotated[float | None, BeforeValidator(_age)] = 86400.0  # The last good `fig contract`.
    rehearsal_age: Annotated[float | None, BeforeValidator(_age)] = None  # The last good `fig rehearse`.


class Limits(_Part):
    """Bounds of one attempt: abort < hold < the client's patience. Seconds."""

    # Waiting, with nobody held, for a moment when no write is under way; shorter than a lease.
    quiet: Duration = Field(default=1.5, le=2.0)
    requests: Duration = 0.3  # Draining requests in flight at the proxies.
    fence_lock: Duration = 0.1  # Waiting for table locks; as long as this, other writers may wait.
    drain: Duration = 2.0  # The other side applies the marker.
    hold: Duration = 5.0  # The proxies give up holding by themselves.
    patience: Duration = 30.0  # All attempts together, waiting for other people's transactions included.


class BudgetPlan(_Part):
    """What each slot of the domain may keep of its server's WAL, and how long a stream that kept more stays away."""

    wal: Bytes = Field(default=Budget().bytes, ge=16 * 1024**2)  # Of each slot; at least 16MB.
    pause: Duration = Budget().pause  # After giving up; longer each time that it gives up again.

    @property
    def value(self) -> Budget:
        return Budget(self.wal, self.pause, max(self.pause, Budget().longest_pause))


class Retire(_Part):
    """For how long nobody may have used the monolith's side before it is given up."""

    after: Duration = 604800.0  # Counted from the last request, write or read that was seen.


class Plan(_Part):
    """One domain's plan."""

    domain: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")  # Its name, everywhere.
    stages: tuple[Stage, ...]  # Its way, in the order of life.md; shadow and canary may be left out.
    routes: tuple[Route, ...] = Field(min_length=1)  # What is sent to its owner.
    read_by: tuple[RoutePath, ...] = ()  # Other routes that read its tables: their users see own writes, too.
    sides: Sides  # Where both sides live.
    tables: list[dict[str, Any]] = Field(min_length=1)  # The lens (docs/reference/lens.md).
    sequences: tuple[SequencePair, ...] = ()  # Every sequence that feeds a column of its tables.
    outbox: OutboxPlan | None = None  # Where it writes what it tells others, if it does.
    inbox: InboxPlan | None = None  # Where it hears of others, if it does.
    crossing: Crossing = Crossing()  # What crosses its border.
    writers: Writers | None = None  # Who writes; without it a plan is only told who does.
    contract: tuple[str, ...] = ()
    """A command that ends with 0 only if both sides keep the domain's contract; empty: none is asked for."""
    gates: Gates = Gates()  # What has to hold before a switch.
    limits: Limits = Limits()  # How long the steps of a switch may take.
    retire: Retire = Retire()  # When nobody uses the monolith's side any more.
    canary: CanaryRules = CanaryRules()  # Steps and limits of stage canary.
    budget: BudgetPlan = BudgetPlan()  # What its slots may keep on their servers.
    shadow: ShadowRules | None = None  # What stage shadow compares; needed where the stages have it.
    personal: tuple[str, ...] = ()
    """Columns of keys, as schema.table.column of the service, that are personal themselves: hidden like all values."""

    @model_validator(mode="after")
    def _coherent(self) -> Plan:
        if problem := problem_of(self.stages):
            raise ValueError(problem)
        if self.sides.monolith.dsn == self.sides.service.dsn:
            raise ValueError("both sides name the same database")
        if self.limits.requests + self.limits.fence_lock + self.limits.drain >= self.limits.hold:
            raise ValueError("limits: requests + fence_lock + drain must be shorter than hold")
        return self

    @cached_property
    def lens(self) -> Lens:
        """The lens over both sides' tables; valid, because `load` has parsed it once."""
        return Lens.parse(self.tables)


def load(path: Path, environment: Mapping[str, str]) -> Plan:
    """Read one plan file. DocumentInvalid lists every problem; nothing else is raised for bad content."""
    plan = documents.validate(path, Plan, documents.fill(path, documents.read(path), environment))
    try:
        _ = plan.lens
    except CdcError as error:
        raise documents.DocumentInvalid(path, [f"tables: {error}"]) from error
    shadow = problems_of_shadow(plan.shadow, Stage.SHADOW in plan.stages, plan.routes)
    if problems := [*_outbox_problems(plan), *_personal_problems(plan), *shadow]:
        raise documents.DocumentInvalid(path, problems)
    return plan


def _personal_problems(plan: Plan) -> list[str]:
    """A name that means nothing would leave shown what was to be hidden."""
    if not plan.personal:
        return []
    keys = {
        f"{projection.target}.{column}"
        for projection in plan.lens.projections(Direction.TO_SERVICE)
        for _, column in projection.key
    }
    return [f"personal: {name} is in no key of the domain" for name in plan.personal if name not in keys]


def _outbox_problems(plan: Plan) -> list[str]:
    """An outbox that is not replicated and fenced like the rest of the domain would tell what never happened."""
    if plan.outbox is None:
        return []
    return [
        f"outbox.{side}: {plan.outbox[side]} is not among the domain's tables"
        for side in Side
        if plan.outbox[side] not in plan.lens.tables(side)
    ]
