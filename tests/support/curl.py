"""curl, as a client that speaks HTTP/2."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FORMAT = "%{http_code} %{http_version} %{local_port} %{num_connects}\\n"


@dataclass(frozen=True)
class Seen:
    """One answer: its status (0: none), the version of HTTP, and the connection by its local port."""

    status: int
    version: str
    port: int


def start(*arguments: str, authority: Path, body: Path | None = None) -> subprocess.Popen[str]:
    """Several requests in one call (--next between them) share a connection; with -Z they run at once. `body` comes as
    curl's own input, so that it does not know how long it is."""
    command = ["curl", "--silent", "--max-time", "60", "--http2", "--cacert", str(authority), "--write-out", _FORMAT]
    with (body or Path("/dev/null")).open("rb") as given:
        return subprocess.Popen(
            [*command, *_again(arguments, command[1:])],
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def answers(running: subprocess.Popen[str]) -> list[Seen]:
    """Of all requests of a call, in the order in which they ended."""
    out, _ = running.communicate(timeout=90)
    lines = [line.split() for line in out.splitlines()]
    return [Seen(int(line[0]), line[1], int(line[2])) for line in lines]


def _again(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """--next forgets all options of the request before."""
    return [word for argument in arguments for word in ((argument, *options) if argument == "--next" else (argument,))]
