"""One local stack as a value: its file, its folder, its ports, the environment of its processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.local import folder, stack
from migration_plan.local.errors import StackNotRunning
from migration_plan.local.stack import Stack

_HIGHEST_BASE = 32500  # Ports above 32767 may be taken by outgoing connections at any time.


@dataclass(frozen=True)
class Place:
    """Where a stack is; enough to end it, even when its file is broken."""

    file: Path
    state: Path
    moved: str  # Why the state is not where it was wanted, or ''.

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Place:
        state, moved = folder.choose(Path(environment.get("FIG_STATE") or "var/local"))
        return cls(Path(environment.get("FIG_STACK") or "stack.yml").absolute(), state, moved)


@dataclass(frozen=True)
class Site:
    """A place with everything in its stack file settled."""

    place: Place
    stack: Stack
    base: int
    environment: dict[str, str]
    secrets: dict[str, str]
    mortal: bool = False
    """Whether all of it ends with the process that starts it."""

    @property
    def root(self) -> Path:
        """Processes start in the folder of the stack file."""
        return self.place.file.parent

    @property
    def state(self) -> Path:
        return self.place.state

    def port(self, offset: int) -> int:
        return self.base + offset

    def save_environment(self) -> None:
        """env.json is how commands and tests learn where everything is."""
        folder.write_private(self.state / "env.json", json.dumps(self.environment, indent=1))


def open_site(place: Place, environment: Mapping[str, str], *, make: bool) -> Site:
    """Read and settle the stack file. With `make`, missing secrets and keys are generated."""
    document, shape = stack.read(place.file)
    base = _base(place, environment)
    if make:
        # A file with a mistake must change nothing, so it is settled once with stand-ins first.
        stand_ins = dict.fromkeys(shape.all_secrets(), "stand-in")
        stack.settle(place.file, document, _variables(place, shape, base, environment, stand_ins))
        folder.prepare(place.state)
        known = folder.secrets_for(place.state, shape.all_secrets())
        folder.keys_for(place.state, shape.keys)
    elif (place.state / folder.MARK).exists():
        known = folder.secrets_for(place.state, ())
    else:
        raise StackNotRunning(place.state)
    variables = _variables(place, shape, base, environment, known)
    settled = stack.settle(place.file, document, variables)
    ports = {_variable("PORT", name): variables[_variable("PORT", name)] for _, name, _ in shape.ports()}
    own = {"FIG_STATE": str(place.state), "FIG_PORT_BASE": str(base), "FIG_STACK": str(place.file)}
    return Site(place, settled, base, {**own, **ports, **settled.environment}, known)


def saved_environment(state: Path) -> dict[str, str]:
    """env.json of a stack that has been started here; {} when none has."""
    saved = state / "env.json"
    return dict(json.loads(saved.read_text(encoding="utf-8"))) if saved.exists() else {}


def _base(place: Place, environment: Mapping[str, str]) -> int:
    # A stack keeps the ports that it was started with, unless it is told otherwise.
    text = environment.get("FIG_PORT_BASE") or saved_environment(place.state).get("FIG_PORT_BASE") or "7400"
    if not text.isdecimal() or not 1024 <= int(text) <= _HIGHEST_BASE:
        problem = f'FIG_PORT_BASE is "{text}", but must be a number from 1024 to {_HIGHEST_BASE}'
        raise DocumentInvalid(place.file, [problem], "FIG_PORT_BASE=7400 fig up")
    return int(text)


def _variable(kind: str, name: str) -> str:
    return f"{kind}_{name.upper().replace('-', '_')}"


def _variables(
    place: Place, shape: Stack, base: int, environment: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    """What the stack file may use in ${…}: the environment, and above it what only this stack knows."""
    return {
        **environment,
        "FIG_STATE": str(place.state),
        "FIG_PORT_BASE": str(base),
        "FIG_PYTHON": sys.executable,
        "FIG_BIN": os.path.dirname(sys.executable),  # noqa: PTH120 (a venv's python is a link: not resolved)
        **{_variable("PORT", name): str(base + offset) for _, name, offset in shape.ports()},
        **{_variable("SECRET", name): value for name, value in secrets.items()},
    }
