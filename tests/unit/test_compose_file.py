"""docker-compose.yml runs what stack.yml runs, and each container is limited and knows only its own passwords."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
STACK: dict[str, Any] = yaml.safe_load((ROOT / "stack.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OFFICIAL = {"postgres:15", "rabbitmq:3", "nginx:1.31.3", "apache/kafka:4.1.0"}
OURS = {"strangler-fig/app", "strangler-fig/people"}
RENAMED = {"nginx": "proxy"}
ONLY_HERE = {"prepare", "proxy-configuration", "load"}
SERVERS = {"pg-monolith", "pg-services", "rabbitmq", "kafka"}
WRITABLE = {"rabbitmq", "kafka"}
"""Their official images write beside their volumes."""


def _secrets(name: str) -> set[str]:
    text = str(SERVICES[name].get("environment", {})) + str(SERVICES[name].get("command", ""))
    return set(re.findall(r"\$\{SECRET_([A-Z_]+)", text))


def test_it_has_every_process_and_step_of_the_local_stack_and_no_other() -> None:
    wanted = {RENAMED.get(name, name) for name in (*STACK["processes"], *STACK["steps"])}
    assert set(SERVICES) - ONLY_HERE == wanted


@pytest.mark.parametrize("name", sorted((set(STACK["processes"]) | set(STACK["steps"])) - SERVERS - {"nginx"}))
def test_a_process_is_the_same_program_here_and_there(name: str) -> None:
    there = {**STACK["processes"], **STACK["steps"]}[name]["command"]
    here = SERVICES[name]["command"]

    def program(command: list[str]) -> list[str]:
        words = [word.replace("${FIG_BIN}/", "").replace("${FIG_PYTHON}", "python") for word in command]
        words = [word.replace("${CATALOG_RUNNER}", "extracted.platform.run") for word in words]
        return [word for word in words if not re.search(r"PORT|:\d+|^\d+$|^--|^0\.0\.0\.0$", word)]

    assert program(here) == program(there)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_is_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] in OFFICIAL | OURS
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["read_only"] is (name not in WRITABLE)
    assert "privileged" not in service
    assert service["restart"] in ("no", "unless-stopped")


@pytest.mark.parametrize("name", sorted(name for name, one in SERVICES.items() if one["restart"] != "no"))
def test_whatever_listens_says_whether_it_is_healthy(name: str) -> None:
    no_listeners = {"monolith-jobs", "monolith-sending", "monolith-events", "shadow", "controller"}
    assert ("healthcheck" in SERVICES[name]) is (name not in no_listeners)


def test_only_loopback_is_published_unless_somebody_says_otherwise() -> None:
    published = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert published
    for port in published:
        assert port.startswith(("127.0.0.1:", "${FIG_PUBLISH:-127.0.0.1}:")), port


def test_every_password_comes_from_the_environment() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSW|SECRET|TOKEN|_KEY$", variable) and not variable.startswith(("FIG_", "STRIPE_PUBLISH")):
                assert re.search(r"\$\{|^$", str(value)), f"{name}: {variable}"
            for password in re.findall(r"//[^:/@]+:([^@]+)@", str(value)):
                assert password.startswith("${SECRET_"), f"{name}: {variable}"


def test_a_process_of_the_shop_knows_its_own_passwords_only() -> None:
    both = {"NAMEKO"}
    messages = {"TWILIO"}
    money = {"STRIPE", "STRIPE_WEBHOOK"}
    monolith = both | messages | money | {"SECRET_KEY", "SHOP_APP"}
    expected = {
        "catalog-1": both | {"CATALOG_APP"},
        "catalog-2": both | {"CATALOG_APP"},
        "users-1": both | messages | {"SECRET_KEY", "USERS_APP"},
        "payments-1": both | money | {"PAYMENTS_APP"},
        "notifications-1": both | messages | {"NOTIFICATIONS_APP"},
        "monolith": monolith,
        "monolith-jobs": monolith,
        "monolith-sending": monolith,
        "monolith-events": monolith,
        "catalog-schema": {"CATALOG_OWNER"},
        "users-schema": {"USERS_OWNER"},
        "payments-schema": {"PAYMENTS_OWNER"},
        "notifications-schema": {"NOTIFICATIONS_OWNER"},
        "monolith-schema": {"SHOP_OWNER"},
        "proxy": set(),
        "load": set(),
        "mail": set(),
        "twilio": messages,
    }
    assert {name: _secrets(name) for name in expected} == expected
    superuser = {name for name in SERVICES if "POSTGRES" in _secrets(name)}
    toolkit = {name for name, one in SERVICES.items() if "FIG_JOURNAL_DSN" in (one.get("environment") or {})}
    assert superuser == {"pg-monolith", "pg-services", "prepare"} | toolkit


def test_the_image_installs_what_was_tested() -> None:
    """Its lock file has no version that the other one has not, and every dependency of the project."""

    def pinned(name: str) -> dict[str, str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", text, re.MULTILINE))

    everything, image = pinned("requirements.lock"), pinned("requirements.runtime.lock")
    assert {name: version for name, version in image.items() if everything.get(name) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[\[=<> ]", one)[0] for one in project["dependencies"]}
    assert wanted <= set(image)
    assert "://" not in (ROOT / "requirements.runtime.lock").read_text(encoding="utf-8")
