"""Static files where nginx's workers can read them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from proxy.config import ProxyConfig, Static


def readable(config: ProxyConfig, worker: str) -> ProxyConfig:
    """The same proxy; files that the workers cannot reach (below root's home) are copied beside nginx's own."""
    if os.geteuid() != 0:
        return config
    return replace(config, static=tuple(_readable(config, worker, *item) for item in enumerate(config.static)))


def _readable(config: ProxyConfig, worker: str, number: int, static: Static) -> Static:
    if _can_read(worker, static.folder):
        return static
    copy = config.folder / "pages" / str(number)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(static.folder, copy, copy_function=shutil.copyfile, symlinks=True)
    for path in (copy.parent, copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return replace(static, folder=copy)


def _can_read(worker: str, folder: Path) -> bool:
    user = pwd.getpwnam(worker)
    command = ["test", "-r", str(folder), "-a", "-x", str(folder)]
    done = subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0
