"""Faults on purpose: a controller that dies, freezes, or strikes somebody else at a named step of the switch.

`python -m tests.support.faults DOMAIN forward|back --at CHECKPOINT [--signal KILL] [--victim PID]` is a controller like
any other, except that at the checkpoint it sends the signal: to itself, or to a process group of the stack.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migration_plan import bootstrap
from migration_plan.errors import FigError
from tests.load.moving import move_when_allowed
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
STRUCK = "struck"
"""What a controller says that has struck somebody else."""


@dataclass
class Strike:
    """A checkpoint callable that sends the signal once, at the named step; victim 0 is oneself."""

    at: str
    number: signal.Signals
    victim: int
    done: bool = False

    def __call__(self, checkpoint: str) -> None:
        if checkpoint != self.at or self.done:
            return
        self.done = True
        if self.victim:
            os.killpg(self.victim, self.number)
            print(STRUCK, flush=True)
        else:
            os.kill(os.getpid(), self.number)


@dataclass
class Controller:
    """A controller in a process of its own that strikes at a checkpoint."""

    process: subprocess.Popen[str]
    checkpoint: str
    number: signal.Signals

    @classmethod
    def start(
        cls,
        environment: Mapping[str, str],
        domain: str,
        forward: bool,
        checkpoint: str,
        number: signal.Signals = signal.SIGKILL,
        victim: int = 0,
    ) -> Controller:
        command = [
            sys.executable, "-m", "tests.support.faults", domain, "forward" if forward else "back",
            "--at", checkpoint, "--signal", number.name.removeprefix("SIG"), "--victim", str(victim),
        ]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=PROJECT, env=dict(environment), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return cls(process, checkpoint, number)

    def wait_until_struck(self, seconds: float = 60) -> None:
        """Dead or frozen at its checkpoint; fails with its words if it ended in any other way."""
        wait_until(self._is_struck, seconds, f"the controller is struck at {self.checkpoint}")

    def _is_struck(self) -> bool:
        ended = self.process.poll()
        if ended is None:
            return self.number is signal.SIGSTOP and _is_frozen(self.process.pid)
        if self.number is signal.SIGKILL and ended == -signal.SIGKILL:
            return True
        raise AssertionError(f"the controller ended with {ended} before {self.checkpoint}: {self.words()}")

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def wait_until_ended(self, seconds: float = 90) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def wait_until_victim_struck(self, seconds: float = 90) -> None:
        """Ended, in whichever way; fails with its words if it never came to its checkpoint."""
        ended, words = self.wait_until_ended(seconds), self.words()
        assert STRUCK in words.splitlines(), f"the controller ended with {ended} before {self.checkpoint}: {words}"

    def words(self) -> str:
        """What it said; only once it has ended."""
        return self.process.stdout.read() if self.process.stdout else ""

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def _is_frozen(pid: int) -> bool:
    text = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()[0] == "T"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.faults", description=__doc__)
    parser.add_argument("domain")
    parser.add_argument("direction", choices=["forward", "back"])
    parser.add_argument("--at", required=True, help="a name of migration_plan.switching.switch.CHECKPOINTS")
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--victim", type=int, default=0, help="a process group; without it the controller itself")
    options = parser.parse_args(arguments)
    strike = Strike(options.at, signal.Signals[f"SIG{options.signal}"], options.victim)
    mover = bootstrap.build(options.domain, checkpoint=strike)
    with closing(mover.parts):
        try:
            result = move_when_allowed(mover, options.direction == "forward", again=lambda: not strike.done)
        except FigError as error:
            print(json.dumps(error.as_json()))
            return error.exit_code
    print(json.dumps(result.as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
