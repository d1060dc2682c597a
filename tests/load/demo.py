"""`make demo`: the whole story of one domain, with people in the shop all the while, and a report at the end.

Exit code 0: nothing failed, nothing differs, no promise is broken. The shop stays up to be played with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from cdc.verify import Report as Comparison
from migration_plan import bootstrap
from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Stage
from migration_plan.moves import Mover, MoveResult, current
from migration_plan.terminal import load_environment
from migration_plan.verification import VerificationFailed, verify_domain
from tests.load.crowd import Size
from tests.load.moving import move_when_allowed
from tests.load.report import Report, Switched, Verified, build
from tests.load.screen import Screen
from tests.load.watched import WatchedShop

DOMAIN = "catalog"
FIG = str(Path(sys.executable).with_name("fig"))


@dataclass(frozen=True)
class Options:
    switches: int = 31
    rate: float = 235.0
    calm: float = 8.0
    """Seconds of shopping before anything moves, to compare with."""
    between: float = 1.5
    """Seconds of shopping between two switches."""
    report: Path = Path("var/report/demo.json")


@dataclass
class Demo:
    """One run, from the first visitor to the report."""

    options: Options
    screen: Screen
    mover: Mover
    watched: WatchedShop
    switches: list[Switched] = field(default_factory=list)
    taken_back: int = 0

    def run(self) -> Report:
        with self.watched as watched:
            self.screen.say(
                f"{size(self.options.rate).people} people are in the shop, {self.options.rate:.0f} requests/s"
            )
            began, machine = time.monotonic(), psutil.cpu_times()
            with watched.people(), self.screen.live(watched.count):
                verified = self._story()
            seconds, stolen = time.monotonic() - began, stolen_share(machine, psutil.cpu_times())
            verdict = watched.judge(faultless=True)
        report = build(watched.samples, seconds, self.switches, verified, verdict, watched.cpu_seconds, self.taken_back)
        return replace(report, stolen_cpu_share=stolen)

    def _story(self) -> Verified:
        self._shop_for(self.options.calm, "a calm shop")
        stage, _ = current(self.mover.parts)
        if stage is Stage.MONOLITH:
            self.screen.doing(f"{DOMAIN}: monolith -> sync (snapshot, then every change)")
            copied = move_when_allowed(self.mover, forward=True)
            self.screen.say(
                f"[bold]{DOMAIN}: monolith -> sync[/]: {copied.bytes_copied or 0:,} bytes copied while people shop"
            )
            stage = Stage.SYNC
        self._verify()
        forward = stage is Stage.SYNC
        for number in range(1, self.options.switches + 1):
            self._switch(number, forward)
            forward = not forward
            self.watched.look()
            self._shop_for(self.options.between, "shopping")
        self.screen.say(f"[bold]{len(self.switches)} switches[/] there and back")
        return self._verify()

    def _switch(self, number: int, forward: bool) -> None:
        self.screen.doing(f"{DOMAIN}: {'sync -> service' if forward else 'service -> sync'}")
        since, result = time.monotonic(), self._move(forward)
        done = result.switch
        if done is None:
            raise RuntimeError(f"{result.now} -> {result.after} switched nothing")
        switched = Switched(
            DOMAIN, str(done.giver), str(done.taker), done.epoch, done.held, round(done.hold_ms, 2),
            round(done.drain_ms, 2), done.attempts, since, time.monotonic(),
        )  # fmt: skip
        self.switches.append(switched)
        direction = f"{switched.giver} -> {switched.taker}"
        self.screen.switched(number, self.options.switches, direction, switched.hold_ms, switched.held)

    def _move(self, forward: bool) -> MoveResult:
        """A switch that would make people wait too long takes itself back; nobody noticed, so it may be tried again."""
        while True:
            try:
                return move_when_allowed(self.mover, forward)
            except SwitchAborted as aborted:
                self.taken_back += 1
                self.screen.say(f"[yellow]taken back[/], and tried again: {aborted}")
                if self.taken_back > self.options.switches:
                    raise

    def _verify(self) -> Verified:
        self.screen.doing(f"fig verify {DOMAIN}: every row of both sides, while people write")
        report = self._compare()
        self.screen.say(f"{report.rows} rows compared on both sides: {report.count} differences")
        for difference in report.differences[:10]:
            self.screen.say(f"[red]{difference}[/]")
        return Verified(report.rows, report.count)

    def _compare(self, patience: float = 60.0) -> Comparison:
        """On a busy machine the snapshot that everything is compared at may have to wait for a quieter moment."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return verify_domain(self.mover.parts)
            except VerificationFailed as failed:
                if time.monotonic() > deadline:
                    raise
                self.screen.say(f"[yellow]again[/]: {failed}")

    def _shop_for(self, seconds: float, what: str) -> None:
        self.screen.doing(what)
        time.sleep(seconds)


def stolen_share(before: Any, after: Any) -> float:
    """What the machine's host gave to others of the time that this machine wanted to work; figures suffer from it."""
    spent = {name: getattr(after, name) - getattr(before, name) for name in ("user", "system", "steal")}
    return round(spent["steal"] / (sum(spent.values()) or 1.0), 3)


def size(rate: float = Options.rate) -> Size:
    """A name of its own for each run: nobody can sign up twice."""
    return Size(rate=rate, name=f"{os.getpid()}-{int(time.time())}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    screen = Screen(console)
    console.print("[bold]One domain goes there and back while people use the shop.[/]  (Ctrl-C ends the demo)")
    if subprocess.run([FIG, "up"], check=False).returncode:
        console.print("[red]The stack did not start.[/]  Next: fig status; fig logs")
        return 1
    load_environment()
    with bootstrap.opened(DOMAIN) as mover:
        report = Demo(options, screen, mover, WatchedShop(os.environ, size(options.rate), DOMAIN)).run()
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    screen.end(report)
    url = os.environ["FIG_PUBLIC_URL"]
    console.print(f"\nReport: {options.report}.  The shop stays up: {url}/api/catalog/products", highlight=False)
    console.print(f"Next: fig history {DOMAIN}   fig rollback {DOMAIN} --dry-run   fig status   fig down")
    return 0 if report.good else 1


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.load.demo", description=__doc__)
    parser.add_argument("--switches", type=int, default=Options.switches)
    parser.add_argument("--rate", type=float, default=Options.rate, help="requests per second in all")
    parser.add_argument("--calm", type=float, default=Options.calm, help="seconds before anything moves")
    parser.add_argument("--between", type=float, default=Options.between, help="seconds between two switches")
    parser.add_argument("--report", type=Path, default=Options.report)
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
