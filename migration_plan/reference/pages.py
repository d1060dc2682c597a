"""Which pages `docs/reference` has, and the short ones of them: tables of the code, printed."""

from __future__ import annotations

from pathlib import Path

from migration_plan.configuration.plan import Plan
from migration_plan.configuration.settings import Settings
from migration_plan.doctor.finding import CODES
from migration_plan.exit_codes import MEANINGS, Exit
from migration_plan.lifecycle import OWNER, TRANSITIONS, Stage
from migration_plan.reference.commands import page as commands_page
from migration_plan.reference.errors import errors as errors_page
from migration_plan.reference.figures import page as figures_page
from migration_plan.reference.models import page as models_page
from migration_plan.reference.switch import switch

_PRINTED = "<!-- Printed from the code: python -m migration_plan.reference docs/reference -->"


def exit_codes() -> str:
    """How commands end."""
    lines = [f"| {code.value} | `{code.name}` | {MEANINGS[code]} |" for code in Exit]
    return "\n".join(
        ["# Exit codes of `fig`", "", _PRINTED, "", "| code | name | meaning |", "|---|---|---|", *lines, ""]
    )


def life() -> str:
    """Stages and what leads from one to another."""
    stages = [f"| `{stage}` | {OWNER[stage]} |" for stage in Stage]
    ways = [f"| `{now}` | `{after}` | `{act}` |" for (now, after), act in TRANSITIONS.items()]
    return "\n".join([
        "# A domain's life", "", _PRINTED, "", " → ".join(f"`{stage}`" for stage in Stage), "",
        "A plan may leave `shadow` and `canary` out.", "", "| stage | owner |", "|---|---|", *stages, "",
        "| from | to | what is done |", "|---|---|---|", *ways, "",
    ])  # fmt: skip


def figures() -> str:
    """What Prometheus reads of every process."""
    return "\n".join(["# Figures", "", _PRINTED, "", *figures_page()])


def doctor() -> str:
    """What `fig doctor` may find."""
    lines = [f"| `{code}` | {severity} | {meaning} |" for code, (severity, meaning) in CODES.items()]
    said = "It only reads. It ends with 0 when it finds nothing, else with 1; each finding says what to type."
    table = ["| code | severity | meaning |", "|---|---|---|", *lines]
    return "\n".join(["# What `fig doctor` finds", "", _PRINTED, "", said, "", *table, ""])


def plan() -> str:
    """Every key of a plan."""
    return models_page("The plan file", Plan, [
        _PRINTED, "",
        "One YAML file a domain. A duration is a number and a unit (`100ms`, `2s`, `5m`, `1h`, `7d`), an amount",
        "likewise (`512MB`, `4GB`), a share is written `5%`. `${NAME}` and `${NAME:-otherwise}` are filled in from the",
        "environment. A key that is not here is refused, and so is one given twice.",
    ])  # fmt: skip


def settings() -> str:
    """Every key of fig.yml."""
    return models_page(
        "The settings, fig.yml", Settings, [_PRINTED, "", "What all domains share. `FIG_CONFIG` names the file."]
    )


def commands() -> str:
    """Every command."""
    return commands_page(_PRINTED)


def errors() -> str:
    """Every error."""
    return errors_page(_PRINTED)


PAGES = {
    "commands.md": commands, "doctor.md": doctor, "errors.md": errors, "exit-codes.md": exit_codes,
    "figures.md": figures, "life.md": life, "plan.md": plan, "settings.md": settings,
    "../pictures/switch.svg": switch,
}  # fmt: skip


def write(folder: Path) -> None:
    """All pages, anew."""
    for name, page in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(page(), encoding="utf-8")
