"""The processes of the toolkit that the stack file runs: streams and controller."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import click
from pythonjsonlogger.json import JsonFormatter


@click.command()
def streams() -> None:
    """Run both streams of every domain until told to stop (SIGTERM). Started by the stack file.

    \b
    Example:
      fig streams
    """
    from migration_plan import bootstrap
    from migration_plan.parts import read_rows
    from migration_plan.streaming.daemon import run

    stop, domains = until_stopped(), bootstrap.all_parts()
    for parts in domains:
        read_rows(parts)  # What an earlier version has left is brought on, a later one's refused, before any row moves.
    run(domains, stop, bootstrap.metrics_address())


@click.command()
def controller() -> None:
    """Watch every domain until told to stop (SIGTERM): finish what a dead controller began, keep proxies and fences.

    \b
    Example:
      fig controller
    """
    from migration_plan import bootstrap
    from migration_plan.canary.keeper import Keeper, KeeperThread
    from migration_plan.lifecycle import Stage
    from migration_plan.monitoring.domain_figures import served
    from migration_plan.recovering.controller import Controller

    stop = until_stopped()
    for parts in bootstrap.all_parts():
        if Stage.CANARY in parts.plan.stages:
            KeeperThread(Keeper(parts), parts.domain, stop).start()
    with served(bootstrap.controller_address(), bootstrap.all_parts(), stop):
        Controller(bootstrap.all_parts()).run(stop)


def until_stopped() -> threading.Event:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
