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
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from migration_plan.verification import verify_domain
from rich.console import Console

from migration_plan import bootstrap
from migration_plan.lifecycle import Stage
from migration_plan.moves import Mover, MoveResult, current
from migration_plan.terminal import load_environment
from tests.load.crowd import Size
from tests.load.process import CrowdProcess
from tests.load.report import Report, Switched, Verified, build
from tests.load.screen import Screen
from tests.support.history import History, Verdict, check
from tests.support.history.shop import Shop
from tests.support.history.watch import Watch

DOMAIN = "catalog"
FIG = str(Path(sys.executable).with_name("fig"))


@dataclass(frozen=True)
class Options:
    switches: int = 31
    rate: float = 220.0
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
    shop: Shop
    switches: list[Switched] = field(default_factory=list)

    def run(self) -> Report:
        watches = [Watch("monolith", self.shop.monolith, DOMAIN), Watch("service", self.shop.service, DOMAIN)]
        before = frozenset(self.shop.side("monolith").movements)
        with ExitStack() as stack:
            crowd = stack.enter_context(CrowdProcess(os.environ["FIG_PUBLIC_URL"], self._size()))
            for watch in watches:
                stack.callback(watch.end)
                watch.begin()
            began = time.monotonic()
            crowd.walk()
            self.screen.say(f"{self._size().people} people are in the shop, {self.options.rate:.0f} requests/s")
            with self.screen.live(crowd.count):
                verified = self._story(watches)
            crowd.pause()
            seconds = time.monotonic() - began
            collected = crowd.collect()
            sides = self.shop.wait_until_at_rest(20)
            for watch in watches:
                watch.collect()
            history = History(
                operations=tuple(collected.operations),
                sides=sides,
                orders=self.shop.orders(),
                turns=tuple(turn for watch in watches for turn in watch.turns),
                acceptances=tuple(accepted for watch in watches for accepted in watch.acceptances),
                movements_before=before,
            )
        verdict: Verdict = check(history)
        return build(collected.samples, seconds, self.switches, verified, verdict, collected.cpu_seconds)

    def _story(self, watches: Sequence[Watch]) -> Verified:
        self._shop_for(self.options.calm, "a calm shop")
        stage, _ = current(self.mover.parts)
        if stage is Stage.MONOLITH:
            self.screen.doing(f"{DOMAIN}: monolith -> sync (snapshot, then every change)")
            copied = self.mover.move(forward=True)
            self.screen.say(f"[bold]{DOMAIN}: monolith -> sync[/]: {copied.rows_copied} rows copied while people shop")
            stage = Stage.SYNC
        self._verify()
        forward = stage is Stage.SYNC
        for number in range(1, self.options.switches + 1):
            self._switch(number, forward)
            forward = not forward
            # Read as we go: what the watches have read, the servers need not keep.
            for watch in watches:
                watch.collect()
            self._shop_for(self.options.between, "shopping")
        self.screen.say(f"[bold]{len(self.switches)} switches[/] there and back")
        return self._verify()

    def _switch(self, number: int, forward: bool) -> None:
        self.screen.doing(f"{DOMAIN}: {'sync -> service' if forward else 'service -> sync'}")
        since = time.monotonic()
        result: MoveResult = self.mover.move(forward)
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

    def _verify(self) -> Verified:
        self.screen.doing(f"fig verify {DOMAIN}: every row of both sides, while people write")
        report = verify_domain(self.mover.parts)
        self.screen.say(f"{report.rows} rows compared on both sides: {report.count} differences")
        for difference in report.differences[:10]:
            self.screen.say(f"[red]{difference}[/]")
        return Verified(report.rows, report.count)

    def _shop_for(self, seconds: float, what: str) -> None:
        self.screen.doing(what)
        time.sleep(seconds)

    def _size(self) -> Size:
        # A name of its own for each run: nobody can sign up twice.
        return Size(rate=self.options.rate, name=f"{os.getpid()}-{int(time.time())}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console()
    screen = Screen(console)
    console.print("[bold]One domain goes there and back while people use the shop.[/]  (Ctrl-C ends the demo)")
    if subprocess.run([FIG, "up"], check=False).returncode:
        console.print("[red]The stack did not start.[/]  Next: fig status; fig logs")
        return 1
    load_environment()
    shop = Shop(os.environ["FIG_MONOLITH_DSN"], os.environ["FIG_CATALOG_DSN"], DOMAIN)
    with bootstrap.opened(DOMAIN) as mover:
        report = Demo(options, screen, mover, shop).run()
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
