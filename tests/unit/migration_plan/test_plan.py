"""Plan files are input: each fault gives one message that names it, and nothing else happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from migration_plan.configuration import plan as plans
from migration_plan.configuration.documents import DocumentInvalid

CATALOG = Path("migration_plan/plans/catalog.yml")
VARIABLES = {"FIG_MONOLITH_DSN": "postgresql://m/shop", "FIG_CATALOG_DSN": "postgresql://s/catalog"}


def load(tmp_path: Path, change=lambda document: None):
    document = yaml.safe_load(CATALOG.read_text())
    change(document)
    file = tmp_path / "plan.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return plans.load(file, VARIABLES)


def test_the_samples_plan_is_a_plan(tmp_path):
    plan = load(tmp_path)
    assert plan.domain == "catalog"
    assert plan.limits.fence_lock == 0.1
    assert plan.gates.verification_age == 3600


BAD = {
    'unknown key "colour"': lambda d: d.update(colour="green"),
    'unknown key "limits.holdd"': lambda d: d["limits"].update(holdd="1s"),
    'key "routes" is missing': lambda d: d.pop("routes"),
    "a duration is a number and a unit": lambda d: d["limits"].update(drain=2),
    'stages begin with "monolith"': lambda d: d.update(stages=["sync", "service"]),
    'stage "service" cannot follow "monolith"': lambda d: d.update(stages=["monolith", "service"]),
    'stage "sync" cannot follow "retired"': lambda d: d.update(
        stages=["monolith", "sync", "service", "retired", "sync"]
    ),
    "Input should be 'monolith', 'sync', 'shadow', 'canary', 'service' or 'retired'": lambda d: d.update(
        stages=["monolith", "moon"]
    ),
    "must be shorter than hold": lambda d: d["limits"].update(hold="1s"),
    "both sides name the same database": lambda d: d["sides"]["service"].update(dsn="${FIG_MONOLITH_DSN}"),
    "variable NOT_SET is not set": lambda d: d["sides"]["service"].update(dsn="${NOT_SET}"),
    "Input should be 'keep' or 'drop'": lambda d: d["crossing"]["foreign_keys"].update(x="ignore"),
    "outbox.service: public.elsewhere is not among the domain's tables": lambda d: d.update(
        outbox={"monolith": "public.products", "service": "public.elsewhere"}
    ),
    'unknown key "inbox.queues"': lambda d: d.update(inbox={"queue": "a.inbox", "queues": []}),
    "tables:": lambda d: d["tables"][0]["service"]["public.product"].update(status={"guess": "title"}),
}


@pytest.mark.parametrize("message", BAD)
def test_each_fault_of_a_plan_is_named(tmp_path, message):
    with pytest.raises(DocumentInvalid) as refused:
        load(tmp_path, BAD[message])
    assert message in str(refused.value)
    assert "plan.yml" in str(refused.value)
    assert refused.value.next_step


def test_all_faults_come_at_once(tmp_path):
    def several(document):
        document.update(colour="green")
        document["limits"].update(holdd="1s")
        document.pop("routes")

    with pytest.raises(DocumentInvalid) as refused:
        load(tmp_path, several)
    assert all(word in str(refused.value) for word in ("colour", "holdd", "routes"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b"- 1", b"domain: a\ndomain: b"])
def test_what_is_no_plan_at_all_is_refused_in_one_message(tmp_path, content):
    file = tmp_path / "plan.yml"
    file.write_bytes(content)
    with pytest.raises(DocumentInvalid):
        plans.load(file, VARIABLES)


def test_no_dsn_is_shown_where_a_plan_is_printed(tmp_path):
    assert "postgresql://" not in repr(load(tmp_path))


UNCOMPARED = {
    "catalog": set(),
    "users": {"/api/users/csrf"},  # It begins a session.
    "payments": {"/api/payments/config"},  # Settings, no rows.
    "notifications": set(),
}


@pytest.mark.parametrize("domain", UNCOMPARED)
def test_each_public_read_of_the_sample_is_compared_in_shadow_or_named_here(domain):
    described = yaml.safe_load(Path(f"extracted/{domain}/openapi.yml").read_text())["paths"]
    reads = {path for path, operations in described.items() if "get" in operations and path.startswith("/api/")}
    plan = yaml.safe_load(Path(f"migration_plan/plans/{domain}.yml").read_text())
    wanted = {re.sub(r"\{[a-z_]+\}", "{id}", path) for path in reads} - UNCOMPARED[domain]
    assert set(plan["shadow"]["routes"]) == wanted
    assert plan["shadow"]["mismatches"] == "1%"
