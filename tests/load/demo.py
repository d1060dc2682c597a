"""`make demo`: every domain leaves the monolith while people shop, until it can be switched off; a report at the end.

Exit code 0: nothing failed, nothing differs, no promise is broken. The shop stays up to be played with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from cdc.comparing.compare import Report as Comparison
from migration_plan import bootstrap
from migration_plan.comparing.verification import VerificationFailed, verify_domain
from migration_plan.configuration import settings as settings_file
from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Stage
from migration_plan.moving.moves import Mover, MoveResult, current
from migration_plan.terminal import load_environment
from tests.load.crowd import Size
from tests.load.moving import move_when_allowed
from tests.load.report import Report, Switched, Verified, build, counted
from tests.load.screen import Screen
from tests.load.watched import WatchedShop
from tests.support import prometheus
from tests.support.history import check
from tests.support.history.world import World
from tests.support.prometheus import Target

DOMAIN = "catalog"
"""Goes there and back, again and again; the others follow, one after the other."""
TO_AND_FRO = "payments"
"""Of those that follow, the one that is rolled back and forward once."""
MONOLITH = "monolith"
"""Processes of the stack whose names begin so are the monolith."""
PROCESSES = ("metrics", "streams", "controller")
"""Ports of nginx, the streams and the controller that show figures."""
SERVICES = ("catalog", "users", "payments", "notifications")
BIN = f"{os.path.relpath(Path(sys.executable).parent)}/"
FIG = str(Path(sys.executable).with_name("fig"))


@dataclass(frozen=True)
class Options:
    switches: int = 31
    rate: float = 235.0
    calm: float = 8.0
    """Seconds of shopping before anything moves, to compare with."""
    between: float = 1.5
    """Seconds of shopping between two switches."""
    without: float = 10.0
    """Seconds of shopping while the monolith does not run."""
    report: Path = Path("var/report/demo.json")


@dataclass
class Demo:
    """One run, from the first visitor to the report."""

    options: Options
    screen: Screen
    mover: Mover
    watched: WatchedShop
    others: tuple[str, ...] = ()
    """The domains that follow, in this order."""
    monolith: tuple[str, ...] = ()
    """The monolith's processes."""
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
            # One sender of mails works off what a whole crowd has caused.
            history = watched.history(faultless=True, rest_seconds=300)
        verdict = check(history)
        report = build(watched.samples, seconds, self.switches, verified, verdict, watched.cpu_seconds, self.taken_back)
        return replace(report, stolen_cpu_share=stolen, outside=counted(history.outside))

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
        self._verify(self.mover)
        forward = stage is Stage.SYNC
        for _ in range(self.options.switches):
            self._switch(DOMAIN, self.mover, forward)
            forward = not forward
            self.watched.look()
            self._shop_for(self.options.between, "shopping")
        self.screen.say(f"[bold]{len(self.switches)} switches[/] there and back")
        verified = self._verify(self.mover)
        if not forward:
            return verified + self._leave_the_monolith()
        return verified

    def _leave_the_monolith(self) -> Verified:
        """Every other domain moves out; one of them has second thoughts; then nobody needs the monolith any more."""
        verified = Verified(0, 0)
        for domain in self.others:
            with bootstrap.opened(domain) as mover:
                verified += self._move_out(domain, mover)
                if domain == TO_AND_FRO:
                    self._switch(domain, mover, forward=False)
                    self._shop_for(self.options.between, "shopping")
                    self._switch(domain, mover, forward=True)
            self._shop_for(self.options.between, "shopping")
        if self.others and self.monolith:
            self.screen.say(f"[bold]{', '.join(self.monolith)}: stopped[/]; people go on shopping")
            subprocess.run([FIG, "stop", *self.monolith], check=True, stdout=subprocess.DEVNULL)
            self._shop_for(self.options.without, "a shop without its monolith")
            for domain in self.others:
                with bootstrap.opened(domain) as mover:
                    verified += self._verify(mover)
        return verified

    def _move_out(self, domain: str, mover: Mover) -> Verified:
        verified = Verified(0, 0)
        stage, _ = current(mover.parts)
        if stage is Stage.MONOLITH:
            self.screen.doing(f"{domain}: monolith -> sync")
            move_when_allowed(mover, forward=True)
            verified, stage = self._verify(mover), Stage.SYNC
        if stage is Stage.SYNC:
            self._switch(domain, mover, forward=True)
        return verified

    def _switch(self, domain: str, mover: Mover, forward: bool) -> None:
        self.screen.doing(f"{domain}: {'sync -> service' if forward else 'service -> sync'}")
        since, result = time.monotonic(), self._move(mover, forward)
        done = result.switch
        if done is None:
            raise RuntimeError(f"{result.now} -> {result.after} switched nothing")
        switched = Switched(
            domain, str(done.giver), str(done.taker), done.epoch, done.held, round(done.hold_ms, 2),
            round(done.drain_ms, 2), done.attempts, since, time.monotonic(),
        )  # fmt: skip
        self.switches.append(switched)
        direction = f"{domain}, {switched.giver} -> {switched.taker}"
        self.screen.switched(len(self.switches), direction, switched.hold_ms, switched.held)

    def _move(self, mover: Mover, forward: bool) -> MoveResult:
        """A switch that would make people wait too long takes itself back; nobody noticed, so it may be tried again."""
        while True:
            try:
                return move_when_allowed(mover, forward)
            except SwitchAborted as aborted:
                self.taken_back += 1
                self.screen.say(f"[yellow]taken back[/], and tried again: {aborted}")
                if self.taken_back > self.options.switches:
                    raise

    def _verify(self, mover: Mover) -> Verified:
        domain = mover.parts.domain
        self.screen.doing(f"fig verify {domain}: every row of both sides, while people write")
        report = self._compare(mover)
        self.screen.say(f"{domain}: {report.rows} rows compared on both sides: {report.count} differences")
        for difference in report.differences[:10]:
            self.screen.say(f"[red]{difference}[/]")
        return Verified(report.rows, report.count)

    def _compare(self, mover: Mover, patience: float = 60.0) -> Comparison:
        """On a busy machine the snapshot that everything is compared at may have to wait for a quieter moment."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return verify_domain(mover.parts)
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
    console.print("[bold]A monolith is taken apart while people use the shop.[/]  (Ctrl-C ends the demo)")
    # The shop of the demo takes money; the double of Stripe's does, that is.
    os.environ.setdefault("SHOP_MONEY", "on")
    # Both sides of the sample keep their contracts by `make test`; here nobody waits for the suites.
    os.environ.setdefault("FIG_CONTRACT_AGE", "never")
    # The whole story begins in the monolith; what another run has moved, and verified days ago, would be another story.
    console.print("A new shop: what an earlier demo has left in the local stack is wiped.")
    subprocess.run([FIG, "down", "--wipe"], check=True, stdout=subprocess.DEVNULL)
    if subprocess.run([FIG, "up"], check=False).returncode:
        console.print("[red]The stack did not start.[/]  Next: fig status; fig logs")
        return 1
    load_environment()
    with bootstrap.opened(DOMAIN) as mover:
        watched = WatchedShop(os.environ, size(options.rate), DOMAIN, World.of(os.environ))
        with prometheus.running(figures_of_the_stack(os.environ), every="1s") as alarms:
            report = Demo(options, screen, mover, watched, following(), monolith()).run()
            report = replace(report, alerts=tuple(sorted(alarms.ever_fired())))
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    screen.end(report)
    url = os.environ["FIG_PUBLIC_URL"]
    console.print(f"\nReport: {options.report}.  The shop stays up: {url}", highlight=False)
    console.print(
        f"Next: {BIN}fig up   {BIN}fig console link   {BIN}fig history {DOMAIN}   {BIN}fig down", highlight=False
    )
    return 0 if report.good else 1


def figures_of_the_stack(environment: Mapping[str, str]) -> list[Target]:
    """Every process of the running stack that shows figures."""
    found = []
    for process in shown(environment):
        for name, port in process["ports"].items():
            if name in PROCESSES:
                found.append(Target(name, f"127.0.0.1:{port}"))
            elif name == MONOLITH or name.partition("-")[0] in SERVICES:
                found.append(Target(name, f"127.0.0.1:{port}", "/internal/metrics"))
    return found


def shown(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The stack's processes, as `fig status` shows them."""
    said = subprocess.run([FIG, "status", "--json"], env=dict(environment), check=False, capture_output=True, text=True)
    processes: list[dict[str, Any]] = json.loads(said.stdout)["processes"]
    return processes


def following() -> tuple[str, ...]:
    """The domains that have a plan, but for the first one, in the order of their plans."""
    settings = settings_file.load(os.environ)
    return tuple(domain for domain in bootstrap.load_plans(settings, os.environ) if domain != DOMAIN)


def monolith() -> tuple[str, ...]:
    """What of the running stack is the monolith."""
    names = [process["name"] for process in shown(os.environ)]
    return tuple(name for name in names if name.startswith(MONOLITH))


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.load.demo", description=__doc__)
    parser.add_argument("--switches", type=int, default=Options.switches)
    parser.add_argument("--rate", type=float, default=Options.rate, help="requests per second in all")
    parser.add_argument("--calm", type=float, default=Options.calm, help="seconds before anything moves")
    parser.add_argument("--between", type=float, default=Options.between, help="seconds between two switches")
    parser.add_argument("--report", type=Path, default=Options.report)
    parser.add_argument("--without", type=float, default=Options.without, help="seconds without the monolith")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
