"""One nginx as a process, of what proxy/installation.py puts in place: run in the foreground, reload, read back.

    run(config) -> NoReturn                     # install, clear stale sockets, exec nginx (for a supervisor)
    start(config) -> subprocess.Popen[bytes]    # the same as a child that answers on its admin socket
    reload(config) -> dict[str, RouteState]     # install; if anything changed SIGHUP and wait; read back
    read_back(config) -> dict[str, RouteState]

`python -m proxy.nginx --config proxy.json [--check]` runs what `ProxyConfig.document()` describes.
Stop it with SIGQUIT (lets requests finish) or SIGTERM (at once); routes survive both, and SIGKILL.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from proxy import watchdog
from proxy.client import ProxyClient, RouteState
from proxy.config import ProxyConfig
from proxy.errors import NginxRefused, OtherProtocol, ProxyError, ProxyUnreachable
from proxy.installation import argv, give_to_workers, install
from proxy.workers import workers

SOCKETS = ("admin.sock", "refusal.sock")
LEDGERS = ("figures.0", "figures.1")
DYING_SECONDS = 2.0


def run(config: ProxyConfig) -> NoReturn:
    """Become nginx, in the foreground, with a watchdog as its child."""
    install(config)
    _check_routes(config)
    _remove_stale_sockets(config)
    _begin_ledgers(config)
    watchdog.begin(config)
    command = argv(config)
    os.execv(command[0], command)  # noqa: S606


def start(config: ProxyConfig, seconds: float = 10.0) -> subprocess.Popen[bytes]:
    """nginx as a child of this process; returns once it answers on its admin socket."""
    install(config)
    _check_routes(config)
    _remove_stale_sockets(config)
    _begin_ledgers(config)
    process = subprocess.Popen(argv(config), stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    while True:
        try:
            read_back(config)
            return process
        except ProxyUnreachable as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise NginxRefused("start", _tail(config)) from error
        time.sleep(0.02)


def reload(config: ProxyConfig, seconds: float = 10.0) -> dict[str, RouteState]:
    """Put a change of structure into effect; live routes, holds and figures stay."""
    with contextlib.suppress(OtherProtocol):  # Of another version, which a reload ends.
        read_back(config)  # ProxyUnreachable if there is nothing to reload.
    if install(config):
        master = int((config.folder / "nginx.pid").read_text())
        old = set(workers(master))
        os.kill(master, signal.SIGHUP)
        deadline = time.monotonic() + seconds
        # For about 100 ms old and new workers serve side by side; after that the old ones only finish what they have.
        while not _taken_over(old, workers(master)):
            if time.monotonic() > deadline:
                raise NginxRefused("reload", _tail(config))
            time.sleep(0.02)
    return read_back(config)


def read_back(config: ProxyConfig) -> dict[str, RouteState]:
    """The live routes: what nginx does, not what was written for it."""
    return ProxyClient("local", config.admin_socket).routes()


def _check_routes(config: ProxyConfig) -> None:
    for path in sorted((config.folder / "routes").glob("*.json")):
        try:
            route = json.loads(path.read_text())
            # Files of older versions know no canary.
            valid = set(route) in ({"epoch", "owner"}, {"epoch", "owner", "share", "revision"})
            valid = valid and all(type(value) is int for name, value in route.items() if name != "owner")
        except (ValueError, TypeError):
            valid = False
        if not valid:
            raise NginxRefused("start", f"the saved route {path} is unreadable; remove it and run fig resume")


def _begin_ledgers(config: ProxyConfig) -> None:
    """Figures begin anew with each nginx. The workers empty these files, so they must own them."""
    for name in LEDGERS:
        path = config.folder / name
        path.write_bytes(b"")
        path.chmod(0o600)
        give_to_workers(config, path)


def _remove_stale_sockets(config: ProxyConfig) -> None:
    """An nginx that was killed leaves its sockets behind, and the next one cannot bind them.

    A killed process answers for some milliseconds longer, until the kernel has closed what it held.
    """
    for name in SOCKETS:
        path = config.folder / name
        deadline = time.monotonic() + DYING_SECONDS
        while _answers(path):
            if time.monotonic() > deadline:
                raise NginxRefused("start", f"another one is running and answers on {path}")
            time.sleep(0.02)
        path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _taken_over(old: set[int], now: dict[int, str]) -> bool:
    serving = {pid for pid, title in now.items() if "worker" in title and "shutting down" not in title}
    return bool(serving) and not serving & old


def _tail(config: ProxyConfig) -> str:
    log = config.folder / "error.log"
    return "\n".join(log.read_text().splitlines()[-5:]) if log.is_file() else ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m proxy.nginx", description="Run the routing proxy.")
    parser.add_argument("--config", type=Path, required=True, help="JSON file of ProxyConfig.document()")
    parser.add_argument("--check", action="store_true", help="only check the configuration and install it")
    options = parser.parse_args(arguments)
    try:
        config = ProxyConfig.parse(json.loads(options.config.read_text()))
        if options.check:
            install(config)
        else:
            run(config)
    except ProxyError as error:
        print(f"{error}\n{error.next_step}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
