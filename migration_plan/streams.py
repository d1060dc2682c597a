"""`fig streams`: both streams of every domain in one process, and what they have applied, told to the proxies;
and beside them the publishers of the domains' outboxes.

A stream that stops for a reason (a row that cannot be applied, a foreign writer, another database than before) rings
the alarm and tries again later from where it stopped; the other streams go on.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from cdc.errors import CdcError
from cdc.kafka_transport import Mode
from cdc.parallel_stream import ParallelStream
from cdc.projection import Direction
from cdc.spec import Progress, StreamSpec
from cdc.stream import Stream
from cdc.topic_publisher import TopicPublisher
from migration_plan import outboxes
from migration_plan.errors import FigError, JournalUnreachable
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.publishers import PublisherKeeper
from proxy.client import ProxyClient
from proxy.errors import ProxyRejected, ProxyUnreachable

_log = logging.getLogger("fig.streams")
_DIRECTION = {Side.SERVICE: Direction.TO_SERVICE, Side.MONOLITH: Direction.TO_MONOLITH}


def spec(parts: Parts, target: Side) -> StreamSpec:
    """The stream that brings a domain's rows to `target`."""
    plan, name = parts.plan, parts.stream_to(target)
    return StreamSpec(
        name=name,
        domain=plan.domain,
        source_dsn=plan.sides[target.other].dsn,
        target_dsn=plan.sides[target].dsn,
        slot=f"fig_{name}",
        publication=f"fig_{plan.domain}",
        origin=f"fig_{name}",
        projections=plan.lens.projections(_DIRECTION[target]),
        guard=partial(_guard, plan.domain),
        kafka=replace(parts.kafka, prefix=f"{parts.kafka.prefix}.{name}") if parts.kafka else None,
    )


def _guard(domain: str, connection: psycopg.Connection[Any]) -> str:
    """The statement that refuses rows on an owner or after an epoch has passed; read afresh for each session."""
    found = connection.execute("select epoch from fig.domain where domain = %s", [domain]).fetchone()
    if found is None:
        raise FigError(f'domain "{domain}" is not enrolled on this side', f"fig advance {domain}")
    return f"select fig.guard_apply('{domain}', {int(found[0])})"


PUSH_EVERY = 0.03
"""Seconds between two rounds of news for the proxies: a user's own write is waited for at about this pace."""


class AppliedThrough(threading.Thread):
    """Tells the proxies how far each copy is, off the streams' threads: a proxy that hangs delays no row."""

    def __init__(self, proxies: Sequence[ProxyClient]) -> None:
        super().__init__(name="applied-through", daemon=True)
        self._proxies = proxies
        self._news: dict[str, dict[str, int]] = {}
        self._wake = threading.Condition()

    def tell(self, domain: str, side: Side, through_ms: int) -> None:
        with self._wake:
            self._news.setdefault(domain, {})[str(side)] = through_ms
            self._wake.notify()

    def run(self) -> None:
        silent: set[str] = set()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._news)
                news, self._news = self._news, {}
            for proxy in self._proxies:
                try:
                    proxy.applied(news)
                    silent.discard(proxy.name)
                except (ProxyUnreachable, ProxyRejected) as error:
                    if proxy.name not in silent:
                        _log.warning("%s", json.dumps({"proxy": proxy.name, "message": str(error)}))
                    silent.add(proxy.name)
            time.sleep(PUSH_EVERY)


BEGUN_EVERY = 0.2
"""Seconds between two looks whether a sync has been prepared, on a connection that stays."""


class StreamKeeper(threading.Thread):
    """Runs one stream for as long as the domain has one, and starts it again after it stopped."""

    def __init__(self, parts: Parts, target: Side, applied: AppliedThrough, stop: threading.Event) -> None:
        super().__init__(name=parts.stream_to(target), daemon=True)
        self._parts, self._target, self._applied, self._stop_event = parts, target, applied, stop
        self._alarmed = ""

    def run(self) -> None:
        while not self._stop_event.is_set():
            try:
                self._wait_until_begun()
                self._work(spec(self._parts, self._target))
            except (CdcError, FigError, psycopg.Error) as error:
                if not self._ended():
                    self._alarm(error)
                self._stop_event.wait(1.0)

    def _work(self, stream: StreamSpec) -> None:
        is_parallel = stream.kafka is not None and stream.kafka.mode is Mode.PARALLEL
        (ParallelStream if is_parallel else Stream)(stream, self._progress).run(self._stop_event)

    def _wait_until_begun(self) -> None:
        with self._connected() as target:
            while not self._begun(target) and not self._stop_event.wait(BEGUN_EVERY):
                pass

    def _ended(self) -> bool:
        """Whether the sync was ended under the stream. A target that does not answer has ended nothing."""
        try:
            with self._connected() as target:
                return not self._begun(target)
        except psycopg.OperationalError:
            return False

    def _connected(self) -> psycopg.Connection[Any]:
        dsn = self._parts.plan.sides[self._target].dsn
        return psycopg.connect(dsn, autocommit=True, connect_timeout=2, application_name=f"fig-keeper {self.name}")

    def _begun(self, target: psycopg.Connection[Any]) -> bool:
        """Whether the target remembers a position: the sign that a sync has been prepared."""
        if target.execute("select 1 from pg_class where oid = to_regclass('fig.position')").fetchone() is None:
            return False
        where = "select 1 from fig.position where stream = %s"
        return target.execute(where, [self._parts.stream_to(self._target)]).fetchone() is not None

    def _progress(self, progress: Progress) -> None:
        self._alarmed = ""
        if progress.source_time is not None:
            self._applied.tell(self._parts.domain, self._target, int(progress.source_time.timestamp() * 1000))

    def _alarm(self, error: Exception) -> None:
        message = str(error).strip()
        if message == self._alarmed:
            return
        self._alarmed = message
        _log.error("%s", json.dumps({"alarm": "stream", "stream": self.name, "message": message}))
        if isinstance(error, CdcError):
            try:
                self._parts.journal.record(
                    self._parts.domain, "alarm", case=error.code, stream=self.name, reason=message
                )
            except JournalUnreachable as unreachable:
                _log.error("%s", json.dumps({"alarm": "journal", "message": str(unreachable)}))


class TopicKeeper(StreamKeeper):
    """Runs the publisher of one stream that goes through Kafka."""

    def __init__(self, parts: Parts, target: Side, applied: AppliedThrough, stop: threading.Event) -> None:
        super().__init__(parts, target, applied, stop)
        self.name = f"{self.name}_topic"

    def _work(self, stream: StreamSpec) -> None:
        TopicPublisher(stream).run(self._stop_event)


def run(domains: Sequence[Parts], stop: threading.Event) -> None:
    """All streams of all domains until told to stop."""
    applied = AppliedThrough([proxy for parts in domains[:1] for proxy in parts.proxies])
    applied.start()
    keepers: list[threading.Thread] = [
        StreamKeeper(parts, target, applied, stop) for parts in domains for target in Side
    ]
    keepers += [TopicKeeper(parts, target, applied, stop) for parts in domains if parts.kafka for target in Side]
    keepers += [PublisherKeeper(parts, spec, stop) for parts in domains for spec in outboxes.of(parts).values()]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join()
