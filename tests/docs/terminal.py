"""The one terminal in which the commands of the pages are typed, one after the other."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.support.stack import PROJECT

SHOWN_BASE = 7400
"""Pages show the ports of a stack that somebody starts without more."""

_END = "\x1eended "


class Place(Protocol):
    """Where the commands of a terminal find their stack."""

    @property
    def state(self) -> Path: ...
    @property
    def base(self) -> int: ...
    @property
    def env(self) -> dict[str, str]: ...


class Terminal:
    """A bash in the project's folder, or a clone of it; ports and folders are those of `stack`, and read as those of
    the pages."""

    def __init__(self, stack: Place, front: list[Path], folder: Path = PROJECT, patience: float = 180.0) -> None:
        self._stack, self._folder, self._patience = stack, folder, patience
        environment: Mapping[str, str] = {
            **{k: v for k, v in stack.env.items() if k not in ("FIG_CONTRACT_AGE",)},
            "PATH": ":".join([*map(str, front), os.environ["PATH"]]),
            "COLUMNS": "120", "LC_ALL": "C.UTF-8", "PS1": "",
        }  # fmt: skip
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=dict(environment), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def type(self, command: str) -> tuple[list[str], int]:
        """What came of it, and its exit code."""
        assert self._bash.stdin is not None
        # Nothing that a command starts reads what is typed after it.
        typed = f"{{ {self._here(command)}\n}} </dev/null\nprintf '{_END}%s\\n' $?\n"
        self._bash.stdin.write(typed.encode())
        self._bash.stdin.flush()
        text, code = self._read(command)
        return self._as_shown(text).splitlines(), code

    def close(self) -> None:
        os.killpg(self._bash.pid, signal.SIGKILL)
        with self._bash:
            pass  # Waits, and closes its pipes.

    def _read(self, command: str) -> tuple[str, int]:
        assert self._bash.stdout is not None
        found, until = b"", time.monotonic() + self._patience
        while True:
            ended = re.search(re.escape(_END.encode()) + rb"(\d+)\n", found)
            if ended:
                return found[: ended.start()].decode(), int(ended[1])
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._bash.stdout], [], [], left)[0]:
                raise TimeoutError(f"{command}: not done after {self._patience} s; until then:\n{found.decode()}")
            part = os.read(self._bash.stdout.fileno(), 65536)
            if not part:
                raise ConnectionError(f"{command}: the terminal is gone; until then:\n{found.decode()}")
            found += part

    def _here(self, command: str) -> str:
        # The `fig` in front of all others is ours, whatever a page puts there.
        for shown, here in (("var/local", str(self._stack.state)), (".venv/bin/", ""), ("$PWD/.venv/bin:", "")):
            command = command.replace(shown, here)
        return re.sub(r"\b127\.0\.0\.1:(74\d\d)\b", lambda m: f"127.0.0.1:{self._port(int(m[1]))}", command)

    def _port(self, shown: int) -> int:
        return shown - SHOWN_BASE + self._stack.base

    def _as_shown(self, text: str) -> str:
        base = self._stack.base
        text = re.sub(
            rf"\b{base // 100}\d\d\b", lambda m: str(int(m[0]) - base + SHOWN_BASE), text.replace("\r", "")
        )  # A base is a multiple of 100.
        return text.replace(str(self._stack.state), "var/local").replace(f"{self._folder}/", "")
