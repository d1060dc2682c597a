"""What preflight knows of one side, as values. Nothing here decides and nothing here reads a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdc.projection import Table
from migration_plan.lifecycle import Side

FENCE = "a_fig_fence"
HARMLESS_ACTIONS = ("NO ACTION", "RESTRICT")


@dataclass(frozen=True)
class Server:
    """The server and the database that a side lives in."""

    version: int
    standby: bool
    wal_level: str
    encoding: str
    system_id: str
    database: str
    database_oid: int
    free_slots: int
    free_senders: int
    all_tables_publications: tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """What the role of fig may do in this database."""

    name: str
    replication: bool
    create: bool
    replica_role: bool
    sees_activity: bool
    denied_functions: tuple[str, ...]
    schema_fig_owner: str  # Empty: no schema fig yet, or it is ours.


@dataclass(frozen=True)
class TableFacts:
    """One table of the domain, or a partition of one."""

    table: Table
    oid: int
    kind: str  # pg_class.relkind
    persistence: str  # pg_class.relpersistence
    owner: str
    owned: bool  # Whether our role is a member of the owner.
    row_security: bool  # Whether policies would filter what our role sees.
    replica_identity: str  # pg_class.relreplident
    primary_key: tuple[str, ...]
    deferrable_key: bool
    root: Table
    heirs: tuple[str, ...]  # Tables that inherit from it without being partitions, or that it inherits from.
    rules: tuple[str, ...]
    fig_domain: str  # The domain it is enrolled in already; empty: none.


@dataclass(frozen=True)
class Trigger:
    """A user trigger on a table of the domain; `fires` is pg_trigger.tgenabled."""

    table: Table
    name: str
    function: str
    fires: str


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of which one end is a table of the domain and the other one is not."""

    name: str
    table: Table
    references: Table
    definition: str
    on_delete: str
    on_update: str

    @property
    def acts(self) -> tuple[str, ...]:
        """The actions that write rows on the far side of the border, as SQL says them."""
        actions = (("ON DELETE", self.on_delete), ("ON UPDATE", self.on_update))
        return tuple(f"{event} {action}" for event, action in actions if action not in HARMLESS_ACTIONS)

    def __str__(self) -> str:
        return f"{self.table} -> {self.references}: {self.definition}"


@dataclass(frozen=True)
class Sequence:
    """A sequence that the plan names, or that a column of the domain draws from."""

    name: Table
    exists: bool
    usable: bool  # Our role may read and set it.
    increment: int
    used_by: str  # "schema.table.column" of the domain that draws from it; empty: none.


@dataclass(frozen=True)
class Session:
    """A session or prepared transaction with locks on the domain's tables; never its query text."""

    pid: int | None
    application: str
    user: str
    state: str
    transaction_seconds: float
    query_started: str
    locks: str  # "RowExclusiveLock on acme.x, ..."
    fences_out: bool  # Whether one of its locks keeps a fence waiting.
    writes: bool
    prepared: str = ""  # The global identifier of a prepared transaction.

    def __str__(self) -> str:
        who = f'prepared transaction "{self.prepared}"' if self.prepared else f"pid {self.pid}"
        since = "" if self.prepared else f", {self.state}, its query began {self.query_started}"
        return (
            f"{who} ({self.application or 'no application_name'}, user {self.user}{since}),"
            f" open for {self.transaction_seconds:.1f} s, holds {self.locks}"
        )


@dataclass(frozen=True)
class Maintenance:
    """A command at work on a table of the domain that does not yield to a lock."""

    pid: int
    command: str
    phase: str
    table: str


@dataclass(frozen=True)
class Writer:
    """Sessions that are connected now and whose role may write the domain's tables."""

    application: str
    user: str
    sessions: int
    owner: bool  # The role could also take the fence away.
    superuser: bool = False


@dataclass(frozen=True)
class SideFacts:
    """Everything about one side; `unreachable` says why there is nothing."""

    side: Side
    unreachable: str = ""
    pooled: bool = False  # A pooler answers, not the server.
    server: Server | None = None
    role: Role | None = None
    missing: tuple[Table, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    outbox_columns: tuple[str, ...] = ()  # "name type" of the plan's outbox; empty: it names none.
    publication_tables: tuple[str, ...] = ()  # What a publication fig_<domain> holds already.
    foreign_slots: tuple[str, ...] = ()  # Slots with a name of ours that are not ours.
    own_slots: tuple[str, ...] = ()
    missing_slots: int = 1  # How many of the domain's streams and publishers have no slot on this server yet.
    views: tuple[str, ...] = ()
    prepared_elsewhere: tuple[str, ...] = ()  # Prepared transactions of the whole server.
    sessions: tuple[Session, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    writers: tuple[Writer, ...] = ()
    writer_roles: tuple[str, ...] = ()  # By grant or as owner; superusers and our own role are left out.
    writer_functions: tuple[str, ...] = ()  # Whose text names a table of the domain and writes.
    writer_views: tuple[str, ...] = ()  # Through which a table of the domain can be written.
    writer_rules: tuple[str, ...] = ()  # "NAME on TABLE": of other tables, writing the domain's.
    policies: tuple[str, ...] = ()  # "NAME on TABLE": row-level security.


@dataclass(frozen=True)
class SwitchFacts:
    """What the caller has measured just now, for a switch of ownership; `preflight` only judges it."""

    giver: Side
    lag: float | None  # Seconds the taker is behind; None: its stream does not run.
    verification_age: float | None  # Seconds; None: never verified in this stage.
    differences: int
    probes: Mapping[str, bool]  # Stream -> whether a probe has just gone through it.
    proxies: Mapping[str, str]  # Proxy -> why it does not answer; empty: it does.
    outboxes: Mapping[str, str] = field(default_factory=dict)  # Publisher -> why it is behind; empty: it is not.
    halted: Mapping[str, str] = field(default_factory=dict)  # Stream or publisher -> why it stands still.
    stage: str = ""  # Why the stage cannot follow; empty: it can.
    contract_age: float | None = None  # Seconds; None: the contract command has never run.
    rehearsal_age: float | None = None  # Seconds; None: it has never been rehearsed.
    rehearsal_problems: tuple[str, ...] = ()  # Of the last one; empty: it was good.
    contract_exit: int = 0
