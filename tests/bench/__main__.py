"""`make bench`: ratios, measured in one run on one machine; a missed one is reported, not asserted away.

`python -m tests.bench [--quick] [--json] [NAME …]` measures some only, in small sizes, or prints the report itself.
Writes var/report/bench.json: [{name, ours, against, ratio, at_least, unit, machine}]; a larger ratio is better.
Exits with 0 whatever was measured, and with 2 if a NAME is unknown.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from tests.bench import (
    apply,
    burden,
    capture,
    fence,
    figure,
    memory,
    monolith,
    router,
    snapshot,
    switching,
    through_kafka,
    verification,
    visibility,
)
from tests.bench.figure import Figure, Measure, Scale

MEASURES: dict[str, Measure] = {
    "fence": fence.measure,
    "apply": apply.measure,
    "capture": capture.measure,
    "visibility": visibility.measure,
    "snapshot": snapshot.measure,
    "verification": verification.measure,
    "burden": burden.measure,
    "monolith": monolith.measure,
    "memory": memory.measure,
    "kafka": through_kafka.measure,
    "router": router.measure,
    "switching": switching.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: to see that it works")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON; progress goes to stderr")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in MEASURES]:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are: {', '.join(MEASURES)}")
    console = Console(stderr=given.json, width=None if sys.stdout.isatty() else 150)
    figures: list[Figure] = []
    for name in given.names or MEASURES:
        began = time.monotonic()
        console.print(f"[bold]{name}")
        figures += MEASURES[name](Scale(given.quick, lambda line: console.print(f"  {line}", highlight=False)))
        console.print(f"  {time.monotonic() - began:.0f} s", highlight=False)
    if given.json:
        print(json.dumps([asdict(one) for one in figures], indent=1))
    else:
        console.print(figure.printed(figures))
    if given.quick:
        console.print("small sizes: the ratios mean little, and nothing was written")
    else:
        figure.write(figures)
        console.print(f"written: {figure.REPORT}   next: make demo (hold times of whole switches under load)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
