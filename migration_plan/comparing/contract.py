"""`fig contract`: the plan's own command, which tells whether both sides behave the same; its outcome is a gate."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.parts import Parts


class NoContract(FigError):
    """There is nothing to run."""

    code = "no-contract"
    exit_code = Exit.NOT_MEANT


class ContractUnstartable(FigError):
    """The command does not exist or may not be started; this says nothing about the contract."""

    code = "contract-unstartable"
    exit_code = Exit.NOT_PROVEN


@dataclass(frozen=True)
class Run:
    command: tuple[str, ...]
    exit_code: int
    seconds: float

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def run_contract(parts: Parts, quiet: bool = False) -> Run:
    """Run the command, show what it says, and journal how it ended."""
    plan = parts.plan
    if not plan.contract:
        raise NoContract(f'domain "{parts.domain}" has no contract command', "name one in its plan: contract: [...]")
    began = time.monotonic()
    # What is installed next to this program comes first: `pytest` is the one of this environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    output = subprocess.DEVNULL if quiet else None
    try:
        ended = subprocess.run(plan.contract, check=False, stdout=output, env={**os.environ, "PATH": path})
    except OSError as error:
        raise ContractUnstartable(f"{plan.contract[0]}: {error.strerror}", "correct `contract` in the plan") from error
    run = Run(plan.contract, ended.returncode, round(time.monotonic() - began, 2))
    parts.journal.record(parts.domain, "contract", exit_code=run.exit_code, seconds=run.seconds)
    return run
