"""A real Prometheus over real endpoints: what it scrapes, and which of our alerts fire."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.postgres import free_port
from tests.support.waiting import wait_until

PROGRAM = "prometheus"
RULES = Path(str(files("migration_plan.monitoring").joinpath("alerts.yml")))


@dataclass(frozen=True)
class Target:
    """One process that shows figures."""

    job: str
    address: str
    path: str = "/metrics"


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        found = self._get("query", {"query": expression})
        results: list[dict[str, Any]] = found["result"]
        return results

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        return {
            alert["labels"]["alertname"] for alert in self._get("alerts", {})["alerts"] if alert["state"] == "firing"
        }

    def ever_fired(self) -> set[str]:
        """Names of those that have fired since it runs."""
        return {
            found["metric"]["alertname"]
            for found in self.query('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1d]))')
        }

    def silent(self) -> set[str]:
        """Jobs that it could not read the last time."""
        return {found["metric"]["job"] for found in self.query("up == 0")}

    def scraped(self) -> set[str]:
        """Jobs that it has read."""
        return {found["metric"]["job"] for found in self.query("max_over_time(up[1d]) == 1")}

    def _get(self, what: str, values: Mapping[str, str]) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=dict(values), trust_env=False).raise_for_status()
        found: dict[str, Any] = answer.json()["data"]
        return found


def rules_at_once() -> dict[str, Any]:
    """Our rules, but for the patience that they have: `promtool test rules` tests that one."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules


@contextmanager
def running(
    targets: Sequence[Target], every: str = "250ms", rules: Mapping[str, Any] | None = None
) -> Iterator[Prometheus]:
    """Scrapes and judges by `rules`, or else by our own as they are."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="fig-prometheus-") as name:
        folder = Path(name)
        (folder / "rules.yml").write_text(yaml.safe_dump(rules) if rules else RULES.read_text())
        jobs = [
            {"job_name": one.job, "metrics_path": one.path, "static_configs": [{"targets": [one.address]}]}
            for one in targets
        ]
        said = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yml"], "scrape_configs": jobs,
        }  # fmt: skip
        (folder / "prometheus.yml").write_text(yaml.safe_dump(said))
        command = [
            PROGRAM, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _is_ready(url), 30, "prometheus answers", every=0.05)
            yield Prometheus(url)
        finally:
            process.terminate()
            process.wait(20)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
