"""`fig streams`: both streams of every domain in one process, and what they have applied, told to the proxies; beside
them the publishers of the domains' outboxes, and over each a watch that keeps its slot within its budget.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.streaming.applied_through import AppliedThrough
from migration_plan.streaming.figures import Line, served
from migration_plan.streaming.keeper import StreamKeeper, TopicKeeper, watched
from migration_plan.streaming.publishers import PublisherKeeper, watched_publisher
from migration_plan.streaming.slot_watch import SlotWatch
from migration_plan.sync import outboxes


def run(domains: Sequence[Parts], stop: threading.Event, metrics: str = "") -> None:
    """All streams of all domains until told to stop; their figures at the address `metrics`, if there is one."""
    applied = AppliedThrough([proxy for parts in domains[:1] for proxy in parts.proxies])
    applied.start()
    lines: list[Line] = []
    beside: list[threading.Thread] = []
    for parts in domains:
        for target in Side:
            watch = SlotWatch(watched(parts, target), parts.journal, stop)
            lines.append(Line(watch, StreamKeeper(parts, target, applied, watch, stop)))
            if parts.kafka is not None:
                beside.append(TopicKeeper(parts, target, applied, watch, stop))
        for side, spec in outboxes.of(parts).items():
            watch = SlotWatch(watched_publisher(parts, side, spec), parts.journal, stop)
            lines.append(Line(watch, PublisherKeeper(parts, spec, watch, stop)))
    threads = [thread for line in lines for thread in (line.watch, line.keeper)] + beside
    with served(metrics, lines, domains, stop):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
