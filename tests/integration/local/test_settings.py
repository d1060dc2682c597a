"""fig.yml: what it gives, and what is refused in it. The project's own file is the example."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from migration_plan.bootstrap import load_plans
from migration_plan.configuration import documents, settings
from migration_plan.configuration import plan as plan_files
from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.proxies import proxy_configs
from proxy.routes import Route
from proxy.tls import Tls
from tests.support.stack import PROJECT

ENVIRONMENT = {
    "FIG_CONFIG": str(PROJECT / "fig.yml"),
    "AMQP_URL": "amqp://nameko:secret@127.0.0.1:7420/",
    "FIG_STATE": "/var/tmp/state",
    "FIG_JOURNAL_DSN": "postgresql://fig@127.0.0.1:7411/fig",
    "FIG_MONOLITH_DSN": "postgresql://fig@127.0.0.1:7410/shop",
    "FIG_CATALOG_DSN": "postgresql://fig@127.0.0.1:7411/catalog",
    "FIG_USERS_DSN": "postgresql://fig@127.0.0.1:7411/users",
    "FIG_PAYMENTS_DSN": "postgresql://fig@127.0.0.1:7411/payments",
    "FIG_NOTIFICATIONS_DSN": "postgresql://fig@127.0.0.1:7411/notifications",
    "PORT_PUBLIC": "7400",
    "PORT_INTERNAL": "7401",
    "PORT_METRICS": "7402",
    "PORT_MONOLITH": "7430",
    "PORT_STREAMS": "7460",
    "PORT_CONTROLLER": "7462",
    "PORT_CATALOG_1": "7441",
    "PORT_CATALOG_2": "7442",
    "PORT_USERS_1": "7443",
    "PORT_PAYMENTS_1": "7445",
    "PORT_NOTIFICATIONS_1": "7447",
}


def loaded(tmp_path, change=lambda document: None, **environment):
    document = yaml.safe_load((PROJECT / "fig.yml").read_text(encoding="utf-8"))
    change(document)
    file = tmp_path / "fig.yml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings.load({**ENVIRONMENT, "FIG_CONFIG": str(file), **environment})


def test_the_file_gives_journal_proxies_upstreams_identity_and_plans():
    read = settings.load(ENVIRONMENT)
    assert read.journal.dsn == ENVIRONMENT["FIG_JOURNAL_DSN"]
    assert read.proxies[0].admin_socket == Path("/var/tmp/state/nginx/admin.sock")
    assert read.proxies[0].listeners.internal == "127.0.0.1:7401"
    assert read.upstreams["catalog"] == ("127.0.0.1:7441", "127.0.0.1:7442")
    assert read.identity is not None
    assert read.identity.path == "/internal/users/session"
    assert PROJECT / "migration_plan/plans/catalog.yml" in read.plan_files


def test_secrets_do_not_show_when_settings_are_printed():
    read = settings.load({**ENVIRONMENT, "FIG_JOURNAL_DSN": "postgresql://fig:hidden@127.0.0.1/fig"})
    assert "hidden" not in repr(read)


def test_every_missing_variable_is_named_in_one_message(tmp_path):
    with pytest.raises(DocumentInvalid) as refused:
        loaded(tmp_path, PORT_MONOLITH="", FIG_JOURNAL_DSN="")
    assert "variables FIG_JOURNAL_DSN, PORT_MONOLITH are not set" in refused.value.message
    assert "fig up" in refused.value.next_step


def test_what_tls_and_large_requests_need_is_told_to_each_proxy(tmp_path):
    def change(document):
        document["proxies"][0]["tls"] = {"certificate": "shown.pem", "key": "/srv/shown.key", "redirect": "0.0.0.0:80"}
        document["upstream_tls"] = {"authorities": "authority.pem", "names": {"catalog": "catalog.internal"}}
        document["requests"] = {"largest_body": "300MB", "answer": "90s"}

    config = proxy_configs(loaded(tmp_path, change), ())["local"]
    assert config.tls == Tls(tmp_path / "shown.pem", Path("/srv/shown.key"), "0.0.0.0:80")
    assert [one.name for one in config.upstreams if one.tls_name == "catalog.internal"] == ["catalog"]
    assert config.upstream_authorities == tmp_path / "authority.pem"
    assert (config.largest_body, config.limits.upstream_seconds) == (300 * 1024**2, 90)


def test_an_upstream_over_tls_is_not_asked_in_the_clear_by_a_shadow(tmp_path):
    read = loaded(tmp_path, lambda d: d.update(upstream_tls={"authorities": "a", "names": {"catalog": "c.internal"}}))
    read = read.model_copy(update={"file": PROJECT / "fig.yml"})
    with pytest.raises(DocumentInvalid, match="the comparer asks in the clear"):
        load_plans(read, ENVIRONMENT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(colour="red"), 'unknown key "colour"'),
        (lambda d: d["proxies"][0].update(port=1), 'unknown key "proxies.0.port"'),
        (lambda d: d.pop("journal"), 'key "journal" is missing'),
        (lambda d: d.update(default_upstream="shop"), 'default_upstream "shop" is not among the upstreams'),
        (lambda d: d["proxies"].append(d["proxies"][0]), "two proxies have the same name"),
        (lambda d: d["upstreams"].update(monolith=["somewhere"]), "upstreams.monolith.0"),
        (lambda d: d.update(file="x"), 'unknown key "file"'),
        (lambda d: d.update(upstream_tls={"authorities": "a.pem", "names": {"x": "x.internal"}}), '"x" is not among'),
        (lambda d: d["proxies"][0].update(tls={"certificate": "shown.pem"}), 'key "proxies.0.tls.key" is missing'),
    ],
)
def test_a_settings_file_that_cannot_be_meant_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(DocumentInvalid) as refused:
        loaded(tmp_path, change)
    assert message in refused.value.message
    assert str(tmp_path) in refused.value.message


def test_all_problems_come_at_once(tmp_path):
    def two(document):
        document.update(colour="red", identity={"path": "x"})

    with pytest.raises(DocumentInvalid) as refused:
        loaded(tmp_path, two)
    assert len(refused.value.problems) == 3


def test_a_proxy_is_computed_from_settings_and_plans():
    read = settings.load(ENVIRONMENT)
    plans = [plan_files.load(file, ENVIRONMENT) for file in read.plan_files]
    config = proxy_configs(read, plans)["local"]
    assert config.admin_socket == read.proxies[0].admin_socket
    assert config.default_upstream == "monolith"
    [catalog] = [domain for domain in config.domains if domain.name == "catalog"]
    assert (catalog.monolith, catalog.service) == ("monolith", "catalog")
    assert Route("/api/catalog") in catalog.routes
    assert "/api/payments" in catalog.read_by


def test_make_alone_prints_every_target():
    shown = subprocess.run(["make"], cwd=PROJECT, text=True, capture_output=True, check=True).stdout
    for target in ("setup", "lint", "test", "proof", "demo", "bench", "lock", "clean"):
        assert f"make {target} " in shown


def test_install_steps_name_no_registry_and_no_place_of_this_machine():
    files = [PROJECT / "Makefile", PROJECT / "requirements.lock", PROJECT / "stack.yml", PROJECT / "fig.yml"]
    for file in [*files, *(one for one in (PROJECT / "scripts").rglob("*") if one.is_file())]:
        text = file.read_text(encoding="utf-8")
        for forbidden in ("--index-url", "--find-links", "/home/", "/root/", "/work/", str(PROJECT)):
            assert forbidden not in text, f"{file} names {forbidden}"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${SET}", "s"),
        ("${SET:-other}", "s"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-}", ""),
        ("${UNSET:-a ${SET} b}", "a s b"),
        ("${SET:+yes}/${UNSET:+no}", "yes/"),
        ("${UNSET:-${SET:+it is ${SET}}}.", "it is s."),
        ("${SET:-${UNSET}}", "s"),
        ("$SET ${} ${1}", "$SET ${} ${1}"),
    ],
)
def test_variables_have_values_defaults_and_conditions(text, filled):
    assert documents.fill(Path("fig.yml"), text, {"SET": "s", "EMPTY": ""}) == filled


def test_a_value_is_never_taken_for_a_variable():
    assert documents.fill(Path("fig.yml"), "${A}", {"A": "${B}", "B": "b"}) == "${B}"
