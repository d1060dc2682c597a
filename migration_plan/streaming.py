"""`fig streams`: both streams of every domain in one process, and what they have applied, told to the proxies; beside
them the publishers of the domains' outboxes, and over each a watch that keeps its slot within its budget.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from migration_plan import outboxes
from migration_plan.applied_through import AppliedThrough
from migration_plan.lifecycle import Side
from migration_plan.parts import Parts
from migration_plan.publishers import PublisherKeeper, watched_publisher
from migration_plan.slot_watch import SlotWatch
from migration_plan.stream_keeper import StreamKeeper, watched


def run(domains: Sequence[Parts], stop: threading.Event) -> None:
    """All streams of all domains until told to stop."""
    applied = AppliedThrough([proxy for parts in domains[:1] for proxy in parts.proxies])
    applied.start()
    watches: list[SlotWatch] = []
    keepers: list[threading.Thread] = []
    for parts in domains:
        for target in Side:
            watches.append(SlotWatch(watched(parts, target), parts.journal, stop))
            keepers.append(StreamKeeper(parts, target, applied, watches[-1], stop))
        for side, spec in outboxes.of(parts).items():
            watches.append(SlotWatch(watched_publisher(parts, side, spec), parts.journal, stop))
            keepers.append(PublisherKeeper(parts, spec, watches[-1], stop))
    for thread in (*watches, *keepers):
        thread.start()
    for thread in (*keepers, *watches):
        thread.join()
