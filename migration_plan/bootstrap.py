"""The composition root: settings and plans become the objects that act. Importing it does nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from cdc.kafka.transport import KafkaTransport, Mode
from migration_plan.canary import work as canary
from migration_plan.configuration import plan as plans
from migration_plan.configuration import settings as settings_file
from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Settings
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import Role
from migration_plan.journal.journal import Journal
from migration_plan.lifecycle import Side
from migration_plan.moving.moves import Mover
from migration_plan.parts import Parts, StageWork, no_checkpoint
from migration_plan.shadow import work as shadow
from migration_plan.sides.side import SideDatabase
from proxy.client import ProxyClient

STAGE_WORK: tuple[StageWork, ...] = (shadow.WORK, canary.WORK)
"""What runs in the stages that have work of their own."""


class UnknownDomain(FigError):
    """No plan file is about this domain."""

    code = "unknown-domain"
    exit_code = Exit.NOT_MEANT


def load_plans(settings: Settings, environment: Mapping[str, str]) -> dict[str, Plan]:
    """All plans by domain; each file must name an upstream that exists."""
    found: dict[str, Plan] = {}
    for file in settings.plan_files:
        plan = plans.load(file, environment)
        for side in Side:
            if plan.sides[side].upstream not in settings.upstreams:
                raise UnknownUpstream(f'{file}: sides.{side}.upstream "{plan.sides[side].upstream}" is not in fig.yml')
            secured = settings.upstream_tls.names if settings.upstream_tls else {}
            if plan.shadow is not None and plan.sides[side].upstream in secured:
                problem = f"shadow: the comparer asks in the clear, and the {side}'s upstream is in upstream_tls"
                raise DocumentInvalid(file, [problem], "leave shadow out, or let that upstream answer in the clear")
        if (plan.outbox or plan.inbox) and settings.broker is None:
            raise DocumentInvalid(file, ['outbox and inbox need a broker: add "broker: {url: ...}" to fig.yml'])
        if plan.domain in found:
            raise UnknownDomain(f'two plans are about domain "{plan.domain}"', "remove one of them from fig.yml")
        found[plan.domain] = plan
    return found


class UnknownUpstream(FigError):
    """A plan sends requests to an upstream that the settings do not have."""

    code = "unknown-upstream"
    exit_code = Exit.NOT_MEANT


def parts_of(settings: Settings, plan: Plan, plans: Iterable[Plan]) -> Parts:
    """Unopened ports to both sides, all proxies and the journal: connections are made when they are used."""
    return Parts(
        plan,
        {side: SideDatabase(side, plan.sides[side].dsn) for side in Side},
        [ProxyClient(proxy.name, proxy.admin_socket) for proxy in settings.proxies],
        Journal(settings.journal.dsn),
        settings.broker.url if settings.broker else "",
        tuple(plans),
        _transport(settings),
        {work.stage: work for work in STAGE_WORK},
    )


def _transport(settings: Settings) -> KafkaTransport | None:
    """Of all streams; each has topics of its own below the prefix."""
    if settings.transport == "direct" or settings.kafka is None:
        return None
    said = settings.kafka
    return KafkaTransport(
        said.bootstrap, said.prefix, Mode(said.mode), said.partitions, said.replication, said.min_insync, said.schemas,
        security=tuple(sorted(said.security.items())),
    )  # fmt: skip


def all_parts(environment: Mapping[str, str] = os.environ) -> list[Parts]:
    """What the daemons work on: every domain of the settings."""
    settings = settings_file.load(environment)
    known = load_plans(settings, environment).values()
    return [parts_of(settings, plan, known) for plan in known]


def metrics_address(environment: Mapping[str, str] = os.environ) -> str:
    """Where `fig streams` shows its figures; empty: nowhere."""
    settings = settings_file.load(environment)
    return settings.streams.metrics if settings.streams else ""


def controller_address(environment: Mapping[str, str] = os.environ) -> str:
    """Where `fig controller` shows its figures; empty: nowhere."""
    settings = settings_file.load(environment)
    return settings.controller.metrics if settings.controller else ""


def build(
    domain: str,
    environment: Mapping[str, str] = os.environ,
    checkpoint: Callable[[str], None] = no_checkpoint,
    say: Callable[[str], None] = no_checkpoint,
) -> Mover:
    """Whatever moves `domain`; UnknownDomain lists those that have a plan."""
    settings = settings_file.load(environment)
    known = load_plans(settings, environment)
    if domain not in known:
        raise UnknownDomain(f'no plan is about domain "{domain}"', f"known domains: {', '.join(known) or 'none'}")
    return Mover(parts_of(settings, known[domain], known.values()), say, checkpoint)


@contextmanager
def journal(environment: Mapping[str, str] = os.environ) -> Iterator[Journal]:
    """The journal alone."""
    one = Journal(settings_file.load(environment).journal.dsn)
    try:
        yield one
    finally:
        one.close()


def demand(needed: Role, what: str, environment: Mapping[str, str] = os.environ) -> None:
    """Forbidden unless whoever acts may do `what`. Without a journal nobody can be asked, and who is away cannot be
    what keeps a domain from being brought back: there the command itself meets the journal's absence."""
    with journal(environment) as one, contextlib.suppress(JournalUnreachable):
        one.demand(needed, what)


@contextmanager
def opened(domain: str, say: Callable[[str], None] = no_checkpoint, reason: str = "") -> Iterator[Mover]:
    """`build` for the length of a command; every connection is closed afterwards. `reason`: why, for the journal."""
    mover = build(domain, say=say)
    mover.parts.journal.reason = reason
    try:
        yield mover
    finally:
        mover.parts.close()
