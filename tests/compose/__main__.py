"""`make compose`: docker-compose.yml brought up for real, and a switch there and back under load through its port.

Where no engine answers, one is started from Debian's docker.io, with a folder of its own. Where the official images
cannot be had, stand-ins are made under their names (tests/compose/stand_ins): what runs then is our files, our
image, and the same programs from Debian's packages; that the official images behave alike is not proven by it.
The report is var/report/compose.json.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.compose.engine import Engine, engine
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "var/report/compose.json"
SHOP = "http://127.0.0.1:7400"
LOAD = "tests.load"
GONE = ("--profile", "*", "down", "--volumes", "--timeout", "10")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45, help="of shopping")
    parser.add_argument("--rate", type=float, default=30, help="requests per second")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    options = parser.parse_args()
    console = Console(stderr=True)
    with engine(console.print) as docker:
        # From nothing: what an earlier run has left has other passwords.
        docker.compose(*GONE)
        began = time.monotonic()
        try:
            docker.compose("up", "--build", "--detach", "--wait")
            report: dict[str, object] = {
                "up_seconds": round(time.monotonic() - began, 1), "stand_ins": docker.stand_ins
            }  # fmt: skip
            report |= prove(docker, options.seconds, options.rate, console)
        except subprocess.CalledProcessError:
            docker.compose("logs", "--tail", "30", *(one.service for one in docker.containers() if not one.is_fine))
            raise
        finally:
            if not options.keep:
                docker.compose(*GONE)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1), encoding="utf-8")
    console.print_json(data=report)
    return 0 if report["failures"] == 0 and not report["problems"] else 1


def prove(docker: Engine, seconds: float, rate: float, console: Console) -> dict[str, object]:
    """Everything healthy; nobody is root; a switch there and back while people shop; a process made anew is found."""
    containers = docker.containers()
    problems = [f"{one.name} is {one.state}" for one in containers if not one.is_fine]
    problems += [f"{one.name} runs as root" for one in containers if one.is_ours and one.user in ("", "0", "root")]
    console.print(f"{len(containers)} containers; shopping for {seconds:g} s")
    fig = ("exec", "-T", "controller", "fig")
    load = docker.begin("run", "--rm", "-T", "load", "python", "-m", LOAD, "http://proxy:7400", f"{seconds:g}",
                        "--rate", f"{rate:g}")  # fmt: skip
    switches: list[str] = []
    docker.compose(*fig, "advance", "catalog")
    docker.compose(*fig, "verify", "catalog")
    for move in ("advance", "rollback", "advance"):
        asked = (*fig, move, "catalog", "--dry-run")
        wait_until(functools.partial(docker.allows, *asked), 60, f"fig {move} catalog is allowed")
        docker.compose(*fig, move, "catalog")
        switches.append(move)
        console.print(f"fig {move} catalog: done")
        if move == "rollback":
            docker.compose(*fig, "verify", "catalog")
    # The service owns now. One of its two processes gets a new address; the proxy has to find it.
    docker.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "catalog-2")
    code, said = docker.end(load)
    console.print(said[-1500:])
    after = [f"{one.name} restarted {one.restarts} times" for one in docker.containers() if one.restarts]
    return {"switches": switches, "failures": code, "problems": problems + after, "containers": len(containers)}


if __name__ == "__main__":
    sys.exit(main())
