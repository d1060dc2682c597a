"""`python -m tests.load URL SECONDS`: people in a shop that runs already, and figures; nothing is moved."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from rich.console import Console

from tests.load.crowd import Size
from tests.load.process import CrowdProcess
from tests.load.screen import Screen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--rate", type=float, default=220.0, help="requests per second in all")
    options = parser.parse_args()
    screen = Screen(Console())
    size = Size(rate=options.rate, name=f"{os.getpid()}-{int(time.time())}")
    with CrowdProcess(options.url, size) as crowd:
        began = time.monotonic()
        crowd.walk()
        with screen.live(crowd.count):
            time.sleep(options.seconds)
        crowd.pause()
        seconds, figures, collected = time.monotonic() - began, crowd.count(), crowd.collect()
    screen.console.print(screen.frame(figures, figures.requests / seconds))
    screen.console.print(f"the load itself: {collected.cpu_seconds / seconds:.0%} of a core")
    screen.console.print(dict(Counter((str(o.act), o.status) for o in collected.operations)))
    for operation in [o for o in collected.operations if not o.expected][:20]:
        screen.console.print(f"{operation}: {operation.evidence}", style="red", markup=False)
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
