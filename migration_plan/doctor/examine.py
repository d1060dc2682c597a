"""Asks everything that `fig doctor` judges. Reads only; whatever does not answer is a fact as well."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from cdc.errors import CdcError
from migration_plan.configuration.settings import Settings
from migration_plan.doctor import certificates, schemas
from migration_plan.doctor.facts import Clock, DomainFacts, Facts
from migration_plan.errors import FigError, JournalUnreachable, SideUnreachable
from migration_plan.journal.half_done import half_done
from migration_plan.lifecycle import Side
from migration_plan.monitoring.glance import glance
from migration_plan.parts import Parts
from migration_plan.proxies import proxy_configs
from migration_plan.recovering.diagnosis import open_intent
from migration_plan.recovering.recovery import Intent, decide
from migration_plan.rehearsal.place import left_behind
from migration_plan.sync import dead_letters
from migration_plan.sync import status as sync_status
from migration_plan.sync.troubles import figures_at
from proxy import installation
from proxy.client import ProxyClient
from proxy.config import ProxyConfig
from proxy.errors import NginxRefused, ProxyError

_HALF_A_SECOND = 0.5


def examine(domains: Sequence[Parts], settings: Settings, environment: Mapping[str, str]) -> Facts:
    """All domains, and what they share; only the versions, where one of them is not ours.

    `environment`: where the local stack is, if there is one.
    """
    first = Facts((), "", versions=tuple(schemas.read_versions(domains)))
    if first.misfits:
        return first
    metrics = settings.streams.metrics if settings.streams else ""
    configs = proxy_configs(settings, [parts.plan for parts in domains])
    # Another machine's files are not ours to see.
    local = {name: config for name, config in configs.items() if (config.folder / "conf").is_dir()}
    return Facts(
        domains=tuple(facts_of(parts, metrics) for parts in domains),
        journal=_journal(domains),
        clocks=tuple(_clocks(domains)),
        rehearsal=str(left_behind(environment) or ""),
        drifted=tuple(_drifted(local)),
        silent=tuple(_silent(settings)),
        versions=first.versions,
        files=tuple(certificates.read(local)),
    )


def facts_of(parts: Parts, metrics: str) -> DomainFacts:
    """One domain. `metrics`: where `fig streams` shows its figures; empty: nowhere."""
    # The intent first: one that is newer than the rows would be taken for one that they have left behind.
    intent, is_leased = _journaled(parts)
    seen = glance(parts)
    return DomainFacts(
        plan=parts.plan,
        glance=seen,
        owners_at={proxy.name: _owner_at(proxy, parts.domain) for proxy in parts.proxies},
        decision=decide(seen.rows, intent),
        is_leased=is_leased,
        status=sync_status.status(parts, metrics),
        letters=_letters(parts),
        breaches=tuple(_breaches(parts)),
        half_done=tuple(_half_done(parts)),
        lens_problems=schemas.lens_problems(parts, seen.stage),
    )


def _journaled(parts: Parts) -> tuple[Intent | None, bool]:
    try:
        return open_intent(parts.journal, parts.domain), parts.journal.is_leased(parts.domain)
    except JournalUnreachable:
        return None, False


def _half_done(parts: Parts) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(JournalUnreachable):
        for entry, command in half_done(parts.journal, parts.domain):
            yield f"{entry.at:%Y-%m-%d %H:%M:%S %Z}", command


def _owner_at(proxy: ProxyClient, domain: str) -> Side | None:
    try:
        route = proxy.routes().get(domain)
    except ProxyError:
        return None
    return None if route is None else Side(route.owner)


def _letters(parts: Parts) -> int | None:
    if not parts.plan.inbox:
        return 0
    try:
        return dead_letters.count(parts)
    except (CdcError, FigError):
        return None


def _breaches(parts: Parts) -> Iterator[str]:
    for side, database in parts.sides.items():
        try:
            if database.row(parts.domain) is None:
                continue
            for breach in database.breaches(parts.domain):
                yield f"{side}: the fence of {breach.relation} is {breach.trigger_state}, and the row is {breach.row}"
        except SideUnreachable:
            continue  # `side-away` says it.


def _journal(domains: Sequence[Parts]) -> str:
    try:
        for parts in domains[:1]:
            parts.journal.now()
    except JournalUnreachable as error:
        return error.message
    return ""


def _clocks(domains: Sequence[Parts]) -> Iterator[Clock]:
    """Each database's and proxy's clock against the journal's; nothing where one of them does not answer."""
    try:
        journal = _offset(domains[0].journal.now) if domains else None
    except JournalUnreachable:
        return
    if journal is None:
        return
    asked: set[str] = set()
    for parts in domains:
        for side, database in parts.sides.items():
            try:
                offset = _offset(database.now)
            except SideUnreachable:
                continue
            yield Clock(f"the {side} side's database of {parts.domain}", offset - journal, 0.0)
        for proxy in parts.proxies:
            if proxy.name not in asked:
                asked.add(proxy.name)
                yield from _of_proxy(proxy, journal)


def _of_proxy(proxy: ProxyClient, journal: float) -> Iterator[Clock]:
    try:
        date = proxy.date()
    except ProxyError:
        return
    # The header names the second that has begun; its middle is the best guess.
    offset = date.timestamp() + _HALF_A_SECOND - time.time()
    yield Clock(f"proxy {proxy.name}", offset - journal, _HALF_A_SECOND)


def _offset(now: Callable[[], datetime]) -> float:
    """How far that clock is ahead of this machine's, as seen in the middle of the question."""
    before = time.time()
    there = now().timestamp()
    return there - (before + time.time()) / 2


def _drifted(local: Mapping[str, ProxyConfig]) -> Iterator[str]:
    """A proxy whose certificate or key we cannot read cannot be compared; where that is a fault, its file tells."""
    for name, config in local.items():
        try:
            if not installation.is_installed(config):
                yield name
        except NginxRefused:
            continue


def _silent(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.streams and not figures_at(settings.streams.metrics):
        yield "streams-silent", settings.streams.metrics
    if settings.controller and not figures_at(settings.controller.metrics):
        yield "controller-silent", settings.controller.metrics
