"""The people of the demo, by hand: locust drives them and counts what they find wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.stack import PROJECT, Stack

LOCUST = str(Path(sys.executable).with_name("locust"))


def test_locust_drives_people_who_find_nothing_wrong(stack: Stack) -> None:
    done = subprocess.run(
        [LOCUST, "-f", "tests/load/locustfile.py", "--headless", "--users", "8", "--spawn-rate", "8",
         "--run-time", "5s", "--host", stack.env["FIG_PUBLIC_URL"], "--only-summary", "--exit-code-on-error", "1"],
        cwd=PROJECT, env={**stack.env, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for kind in ("Shopper", "Seller", "Visitor"):
        assert kind in done.stderr + done.stdout
