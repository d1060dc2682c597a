"""Builds the model with SPIN and searches it; a break comes back as its steps."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from migration_plan.model.guards import Bounds

FOLDER = Path(__file__).parent
MODEL = FOLDER / "switch.pml"
MEMORY_MB = 7000
_SIDES = {"s0": "monolith", "s1": "service"}


@dataclass(frozen=True)
class Found:
    """What a search came to. `broken` is the assertion that failed, or empty; `steps` lead to it."""

    states: int
    depth: int
    seconds: float
    memory_mb: float
    complete: bool
    broken: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.states} states, depth {self.depth}, {self.seconds:.1f} s of CPU, {self.memory_mb:.0f} MB:"
            f" {self.broken or 'no break'}{'' if self.complete or self.broken else ', NOT COMPLETE'}"
        )


def build(folder: Path) -> Path:
    """The searching program, in `folder`. Needs spin and gcc."""
    for part in FOLDER.glob("*.pml"):
        shutil.copy(part, folder)
    subprocess.run(["spin", "-a", MODEL.name], cwd=folder, check=True, capture_output=True)
    flags = ["-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DNOFAIR", "-DVECTORSZ=1024", f"-DMEMLIM={MEMORY_MB}"]
    subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], cwd=folder, check=True, capture_output=True)
    return folder / "pan"


def search(program: Path, bounds: Bounds, removed: int = 0) -> Found:
    """Search everything within the bounds, or until the first break."""
    trail = program.parent / f"{MODEL.name}.trail"
    trail.unlink(missing_ok=True)
    environment = {**os.environ, "FIG_REMOVED": str(removed), **{f"FIG_{k}": str(v) for k, v in bounds.items()}}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    said = _run([str(program), "-m100000", "-E"], program.parent, environment)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    broken = re.search(r"assertion violated +(.*) \(at depth", said)
    replay = _run([str(program), "-r", "-S"], program.parent, environment) if trail.exists() else ""
    return Found(
        states=int(_figure(said, r"(\d+) states, stored")),
        depth=int(_figure(said, r"depth reached (\d+)")),
        seconds=seconds,
        memory_mb=_figure(said, r"([\d.]+)\s+total actual memory"),
        complete="errors: 0" in said and not re.search("not completed|max search depth|out of memory", said),
        broken=broken.group(1) if broken else "",
        steps=tuple(_step(line[2:]) for line in replay.splitlines() if line.startswith("@ ")),
    )


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def _figure(said: str, pattern: str) -> float:
    found = re.search(pattern, said)
    return float(found.group(1)) if found else 0.0


def names(kind: str) -> list[str]:
    """The members of an mtype of the model, as the code writes them."""
    found = re.search(rf"mtype:{kind} = {{(.*?)}};", MODEL.read_text(), re.DOTALL)
    return [name.strip().replace("_", "-") for name in found.group(1).split(",")] if found else []


def _step(line: str) -> str:
    """`c0 fence s0 1` as `controller 0   fence            monolith 1`."""
    actors = {"c": "controller", "a": "applier", "r": "repair", "u": "user", "p": "proxy", "w": "writer",
              "b": "database", "k": "streams"}  # fmt: skip
    who, what, *rest = line.split()
    words = []
    for word in rest:
        if word[0] in "mk" and word[1:].isdigit():
            members = names("state" if word[0] == "m" else "case")
            words.append(members[len(members) - int(word[1:])])
        else:
            words.append(_SIDES.get(word, word))
    return f"{actors[who[0]] + ' ' + who[1:]:<14}{what:<26}{' '.join(words)}"


def steps(*actors: str) -> set[str]:
    """The names of the steps that the model's actors ("c": controllers) take, without what came of them."""
    said = "".join(part.read_text() for part in sorted(FOLDER.glob("*.pml")))
    found = re.findall(rf'printf\("@ [{"".join(actors)}](?:%d)? ([a-z_]+)', said)
    return set(found)
