"""Ends an nginx that lives and can never answer again, so that its supervisor starts a new one.

The lock of a shared dictionary is not released when its holder dies: a worker that is killed (for want of memory,
say) in the microsecond in which it holds it leaves all others, and all that come after it, spinning for ever. A new
nginx has new dictionaries, and the routes come back from their files. Only a silence that began with the death of a
worker counts: a busy machine alone is no reason to end anything.

A master that is killed alone leaves its workers behind; they keep the sockets, and no other nginx could start. They are
told to finish what they have and go.

    begin(config) -> None      # before the process becomes nginx: forks the child that watches it
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from proxy.client import ProxyClient
from proxy.config import ProxyConfig
from proxy.errors import OtherProtocol, ProxyUnreachable
from proxy.workers import workers

EVERY = 1.0  # Seconds between two looks.
PATIENCE = 3.0  # Seconds of silence after a worker's death.


def begin(config: ProxyConfig) -> None:
    """Fork; the child watches this process, which is about to become nginx's master, until it is gone."""
    master = os.getpid()
    if os.fork() == 0:
        try:
            _watch(config, master)
        finally:
            os._exit(0)


def _watch(config: ProxyConfig, master: int) -> None:
    client = ProxyClient("local", config.admin_socket, timeout=1.0)
    answered, there = time.monotonic(), set(workers(master))
    while os.getppid() == master:
        now = set(workers(master))
        try:
            with contextlib.suppress(OtherProtocol):  # Since a reload it is of another version than we are; it answers.
                client.routes()
            # Who was there before the question and died since is missed at the next one.
            answered, there = time.monotonic(), now | set(workers(master))
        except ProxyUnreachable:
            if there - now and time.monotonic() - answered > PATIENCE:
                print("nginx is silent since a worker was killed: it is ended, to be started anew", file=sys.stderr)
                _end(master)
                return
        time.sleep(EVERY)
    for worker in _orphans():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGQUIT)


def _orphans() -> list[int]:
    """The workers of a master that is gone: who inherited us has inherited them, too."""
    group, found = os.getpgid(0), []
    for worker in workers(os.getppid()):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(worker) == group:
                found.append(worker)
    return found


def _end(master: int) -> None:
    # The master first: it would replace its workers.
    left = workers(master)
    os.kill(master, signal.SIGKILL)
    for worker in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
