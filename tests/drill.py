"""`make drill`: every stage of one domain with people there; what goes wrong on purpose is noticed; a report as JSON.

A planted fault of the answers is named by shadow; a service that becomes slow loses its canary by itself, and nobody
sees an error; a rehearsal; cutover, rollback, cutover; retirement. Exit code 0: all of it went as it should.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from rich.console import Console

from tests.support.clients import Attempt, Client
from tests.support.stack import PROJECT, Stack, running_stack

LISTING = "/api/catalog/products"
REPORT = Path("var/report/drill.json")
BACK_WITHIN = 5.0
"""Seconds in which a breach has to have taken the users' reads back."""
SLOW_MS = 3000
RETIRE_AFTER = "4s"


@dataclass
class Step:
    """One thing that was shown, or not."""

    name: str
    is_good: bool
    seconds: float
    said: dict[str, Any] = field(default_factory=dict)


@dataclass
class Readers:
    """People with cookies who read all the time; every attempt is made once and kept."""

    url: str
    count: int = 24
    pause: float = 0.15
    attempts: list[Attempt] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def reading(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._read, args=(number,)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _read(self, number: int) -> None:
        client = Client(self.url, record=self.attempts.append)
        while not self._stop.wait(self.pause):
            client.get(f"{LISTING}?limit=5" if number % 2 else f"{LISTING}/{number + 1}")
        client.close()

    @property
    def failures(self) -> list[Attempt]:
        return [one for one in self.attempts if one.status is None or one.status >= 500]


class Drill:
    """One run on a stack of its own."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.stack, self.console = stack, console
        self.readers = Readers(stack.env["FIG_PUBLIC_URL"])
        self.steps: list[Step] = []

    def run(self) -> bool:
        with self.readers.reading():
            for show in (
                self.sync, self.shadow, self.canary, self.slow_canary, self.whole_canary, self.rehearsal, self.cutover,
                self.rollback, self.cutover_again, self.retirement,
            ):  # fmt: skip
                if not self._show(show):
                    break
        failed = len(self.readers.failures)
        self._note(Step("users", not failed, 0.0, {"requests": len(self.readers.attempts), "failures": failed}))
        return all(step.is_good for step in self.steps)

    def _show(self, show: Callable[[], tuple[bool, dict[str, Any]]]) -> bool:
        began = time.monotonic()
        is_good, said = show()
        self._note(Step(show.__name__, is_good, round(time.monotonic() - began, 2), said))
        return is_good

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        colour = "green" if step.is_good else "red"
        self.console.print(
            f"[{colour}]{step.name:<14}[/] {step.seconds:6.1f} s  {json.dumps(step.said)[:160]}", highlight=False
        )

    def fig(self, *arguments: str) -> dict[str, Any]:
        done = self.stack.fig(*arguments, "--json", timeout=600)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**found, "exit_code": done.returncode}

    def until(
        self, seconds: float, look: Callable[[], dict[str, Any]], enough: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """The first answer that is enough, or the last one."""
        deadline = time.monotonic() + seconds
        while not enough(found := look()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def sync(self) -> tuple[bool, dict[str, Any]]:
        moved, compared = self.fig("advance", "catalog", "--to", "sync"), self.fig("verify", "catalog")
        return moved.get("stage") == "sync" and not compared["differences"], {"rows": compared["rows"]}

    def shadow(self) -> tuple[bool, dict[str, Any]]:
        """The fault is named and shuts the gate; without it the evidence opens it."""
        self.fig("advance", "catalog", "--to", "shadow")
        self._tell("defect/rounded-price")
        wrong = self.until(90, self._compared, lambda one: len(one["differences"]) >= 2)
        named = sorted(f"{one['route']} {one['path']}" for one in wrong["differences"])
        shut = self.fig("advance", "catalog")["exit_code"]
        self._tell("defect/")
        self.fig("shadow", "reset", "catalog", "--reason", "the fault is mended")
        right = self.until(120, self._compared, lambda one: bool(one["is_good"]))
        expected = [f"{LISTING} items[].price", f"{LISTING}/{{id}} price"]
        return named == expected and shut != 0 and right["is_good"], {"named": named, "gate": shut}

    def _compared(self) -> dict[str, Any]:
        return self.fig("shadow", "report", "catalog")

    def canary(self) -> tuple[bool, dict[str, Any]]:
        moved = self.fig("advance", "catalog")
        share = self.until(60, self._share, lambda one: one["share"] > 0)
        return moved.get("stage") == "canary" and share["share"] > 0, {"share": share["share"]}

    def slow_canary(self) -> tuple[bool, dict[str, Any]]:
        """From the service's first slow second to no user reading there."""
        self.until(60, self._share, lambda one: one["now"] != "" and one["share"] > 0)
        began, seen = time.monotonic(), len(self.readers.failures)
        self._tell(f"slow/{SLOW_MS}")
        while self._shares() and time.monotonic() - began < 60:
            time.sleep(0.02)
        seconds = round(time.monotonic() - began, 2)
        self._tell("slow/0")
        status = self._share()
        good = status["mode"] == "back" and seconds < BACK_WITHIN and len(self.readers.failures) == seen
        return good, {"back_after": seconds, "why": status["reason"][:80], "errors": len(self.readers.failures) - seen}

    def _share(self) -> dict[str, Any]:
        return self.fig("canary", "catalog", "status")

    def _shares(self) -> float:
        """As the proxy does, not as anybody has written."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stack.ports['metrics']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith('fig_proxy_canary_share{domain="catalog"')
        )

    def whole_canary(self) -> tuple[bool, dict[str, Any]]:
        self.fig("canary", "catalog", "thaw")
        found = self.until(180, self._share, lambda one: bool(one["passed"]) and one["share"] == 100)
        return found["passed"] and found["share"] == 100, {"share": found["share"], "now": found["now"]}

    def rehearsal(self) -> tuple[bool, dict[str, Any]]:
        found = self.fig("rehearse", "catalog", "--rounds", "3")
        said = {
            name: found.get(name)
            for name in ("requests", "failures", "hold_p50_ms", "longest_hold_ms", "problems", "message")
        }
        return bool(found.get("good")), said

    def cutover(self) -> tuple[bool, dict[str, Any]]:
        self.fig("verify", "catalog")
        return self._switched(self.fig("advance", "catalog"), "service")

    def rollback(self) -> tuple[bool, dict[str, Any]]:
        self.fig("verify", "catalog")
        return self._switched(self.fig("rollback", "catalog"), "sync")

    def cutover_again(self) -> tuple[bool, dict[str, Any]]:
        """With yesterday's evidence: the gates that can be forced are, and the journal says so."""
        for _ in range(2):
            self.fig("verify", "catalog")
            self.fig("advance", "catalog", "--force", "shown before the rollback")
        self.fig("verify", "catalog")
        return self._switched(self.fig("advance", "catalog", "--force", "shown before the rollback"), "service")

    @staticmethod
    def _switched(moved: dict[str, Any], stage: str) -> tuple[bool, dict[str, Any]]:
        switch = moved.get("switch", {})
        said = {name: switch.get(name) for name in ("hold_ms", "drain_ms", "attempts")}
        return moved.get("stage") == stage, said if switch else {"message": str(moved.get("message"))[:300]}

    def retirement(self) -> tuple[bool, dict[str, Any]]:
        """Refused by name while anything still looks at the monolith's rows; then final."""
        refused = [one["code"] for one in self.fig("advance", "catalog").get("refusals", [])]
        with psycopg.connect(self.stack.env["FIG_MONOLITH_ADMIN_DSN"]) as monolith:
            for table in ("cart_items", "order_lines"):
                monolith.execute(f"alter table {table} drop constraint {table}_product_id_fkey".encode())
        self.fig("verify", "catalog")
        found = self.until(60, lambda: self.fig("advance", "catalog"), lambda one: one.get("stage") == "retired")
        left = [one["kind"] for one in found.get("leftovers", [])]
        is_good = found.get("stage") == "retired" and "read-by-foreign-key" in refused
        return is_good, {
            "refused_first": refused,
            "leftovers": len(left),
            "message": str(found.get("message", ""))[:300],
        }

    def _tell(self, what: str) -> None:
        """Both processes of the service."""
        for name in ("catalog-1", "catalog-2"):
            request = urllib.request.Request(f"http://127.0.0.1:{self.stack.ports[name]}/{what}", method="PUT")
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()


def settings(folder: Path) -> dict[str, str]:
    """The catalog alone, through every stage, with little evidence asked for: a drill is no migration."""
    plan = yaml.safe_load((PROJECT / "migration_plan/plans/catalog.yml").read_text())
    plan |= {"stages": ["monolith", "sync", "shadow", "canary", "service", "retired"], "read_by": []}
    plan["shadow"] |= {"sample": "100%", "rate": 50.0, "comparisons": 60, "mismatches": "5%"}
    plan["canary"] = {"steps": ["25%", "100%"], "each": "6s", "requests": 60, "limits": {"first_byte": "500ms"}}
    plan["retire"] = {"after": RETIRE_AFTER}
    (folder / "catalog.yml").write_text(yaml.safe_dump(plan, sort_keys=False))
    said = yaml.safe_load((PROJECT / "fig.yml").read_text())
    said["plans"] = [str(folder / "catalog.yml")]
    said["static"] = [{**one, "folder": str(PROJECT / one["folder"])} for one in said["static"]]
    said["rehearsal"] = {"processes": ["nginx", "streams", "controller"]}
    (folder / "fig.yml").write_text(yaml.safe_dump(said, sort_keys=False))
    return {"FIG_CONFIG": str(folder / "fig.yml"), "CATALOG_RUNNER": "tests.contract.defects", "SHOP_USERS": "20",
            "SHOP_PRODUCTS": "60", "SHOP_ORDERS": "40"}  # fmt: skip


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        console.print("starting a stack of its own …")
        for stack in running_stack(settings(Path(folder)), "rabbitmq", "nginx", "streams", "controller", "shadow"):
            drill = Drill(stack, console)
            is_good = drill.run()
            REPORT.parent.mkdir(parents=True, exist_ok=True)
            steps = [asdict(step) for step in drill.steps]
            REPORT.write_text(json.dumps({"good": is_good, "steps": steps}, indent=1), encoding="utf-8")
            console.print(f"written: {REPORT}   next: docs/shadow.md, docs/canary.md, docs/rehearsing.md")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
