"""`fig` without a start of Python for each command: one process has imported everything and forks.

`Zygote.folder` goes to the front of PATH; its `fig` sends arguments, environment, folder and files to the process, and
ends as the command ends. The code that runs is the same; `make proof` runs the pages with the installed `fig`.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.stack import PROJECT
from tests.support.waiting import wait_until

_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as wire:
    wire.connect({path!r})
    said = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(wire, [len(said).to_bytes(4, "big")], [0, 1, 2])
    wire.sendall(said)
    sys.exit(int(wire.recv(16) or b"1"))
"""


# What commands import only when they run.
_WHEN_RUN = (
    "migration_plan.cli", "migration_plan.bootstrap", "migration_plan.local.up", "migration_plan.local.down",
    "migration_plan.local.status", "migration_plan.sync.troubles", "migration_plan.comparing.verification",
    "migration_plan.sync.status", "migration_plan.ejecting.ejection",
)  # fmt: skip


class Zygote:
    """The process and its `fig`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self._path = str(folder / "zygote.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Zygote:
        self.folder.mkdir()
        program = self.folder / "fig"
        program.write_text(_CLIENT.format(python=sys.executable, path=self._path), encoding="utf-8")
        program.chmod(0o755)
        self._process = subprocess.Popen([sys.executable, "-m", "tests.docs.zygote", self._path], cwd=PROJECT)
        wait_until(Path(self._path).exists, 30, "the process that forks fig")
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()


def _whole(wire: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = wire.recv(size - len(found))
        if not part:
            raise ConnectionError("the client is gone")
        found += part
    return found


def _serve(path: str) -> None:
    for name in _WHEN_RUN:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            wire, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _run(wire)
            wire.close()
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _run(wire: socket.socket) -> None:
    size, files, _, _ = socket.recv_fds(wire, 4, 3)
    arguments, environment, folder = json.loads(_whole(wire, int.from_bytes(size, "big")))
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        wire.sendall(str(os.waitstatus_to_exitcode(status) & 0xFF).encode())
        os._exit(0)
    wire.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["fig", *arguments]
    from migration_plan.cli import main

    main()


if __name__ == "__main__":
    _serve(sys.argv[1])
