"""The dashboard and the alert rules speak of figures that there are, with labels that they have."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from migration_plan.reference.figures import Figure, figures

IN_TIME = Path(__file__).with_name("alerts_in_time.yml")
MONITORING = files("migration_plan.monitoring")
DASHBOARD: dict[str, Any] = json.loads(MONITORING.joinpath("dashboard.json").read_text())
RULES: dict[str, Any] = yaml.safe_load(MONITORING.joinpath("alerts.yml").read_text())
KNOWN: dict[str, Figure] = {name: figure for figure in figures() for name in figure.series}
NAME = re.compile(r"\bfig_\w+")
SELECTED = re.compile(r"(fig_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_expression_names_figures_and_labels_that_there_are(expression: str) -> None:
    names = set(NAME.findall(expression))
    assert names
    assert names <= KNOWN.keys(), names - KNOWN.keys()
    for name, selected in SELECTED.findall(expression):
        assert set(re.findall(r"(\w+)=", selected)) <= set(KNOWN[name].labels)
    for grouped in GROUPED.findall(expression):
        labels = {label.strip() for label in grouped.split(",")}
        assert labels <= {*KNOWN[next(iter(names))].labels, "le"}, labels


def test_the_dashboard_is_whole() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["title"]
            assert all(target["datasource"]["uid"] == "${source}" for target in panel["targets"])


def test_every_alert_has_a_run_book_a_next_step_and_a_severity() -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert rule["annotations"]["next"].startswith("fig ")
            assert rule["annotations"]["runbook"].startswith("docs/runbooks/")


def test_alerts_are_as_patient_as_they_say() -> None:
    done = subprocess.run(["promtool", "test", "rules", IN_TIME], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
