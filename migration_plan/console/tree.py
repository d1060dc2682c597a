"""The map: a fig that grows around a stone, one course of it for each domain. Pure: stages in, shapes out.

A domain's root comes down from the crown along one side of the stone. The further the domain, the more strands it lays
around its course; the root reaches the ground when the service owns, and the stone is hollow once it is retired.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from migration_plan.lifecycle import OWNER, Side, Stage

WIDTH = 480
LEFT, RIGHT = 172.0, 308.0
TOP, COURSE, GAP, FOOT = 132.0, 92.0, 7.0, 66.0
STRANDS = {Stage.MONOLITH: 0, Stage.SYNC: 1, Stage.SHADOW: 2, Stage.CANARY: 3, Stage.SERVICE: 5, Stage.RETIRED: 5}


@dataclass(frozen=True)
class Leaf:
    """A leaf at (x, y), turned by so many degrees, of this size."""

    x: float
    y: float
    turn: float
    size: float


@dataclass(frozen=True)
class Course:
    """One domain's course of the stone, and what of the fig is its own."""

    domain: str
    stage: Stage
    top: float
    label_x: float
    anchor: str
    root: str
    """Path of the root; empty: none has grown."""
    girth: float
    strands: tuple[str, ...]
    leaves: tuple[Leaf, ...]

    @property
    def owner(self) -> Side:
        return OWNER[self.stage]

    @property
    def middle(self) -> float:
        return self.top + COURSE / 2

    @property
    def is_hollow(self) -> bool:
        return self.stage is Stage.RETIRED


@dataclass(frozen=True)
class Tree:
    """All of the map. `ground`: where it stands; `crown`: its leaves."""

    courses: tuple[Course, ...]
    crown: tuple[Leaf, ...]
    ground: float
    told: str
    """The same in words."""

    @property
    def height(self) -> float:
        return self.ground + FOOT


def grow(domains: Sequence[tuple[str, Stage]]) -> Tree:
    """The map of these domains, from the top down."""
    ground = TOP + len(domains) * (COURSE + GAP) + 14
    courses = tuple(_course(number, domain, stage, ground) for number, (domain, stage) in enumerate(domains))
    grown = sum(STRANDS[stage] for _, stage in domains) / (5 * max(1, len(domains)))
    return Tree(courses, _crown(grown), ground, _told(domains))


def _course(number: int, domain: str, stage: Stage, ground: float) -> Course:
    top, is_left = TOP + number * (COURSE + GAP), number % 2 == 0
    lane, dice = number // 2, random.Random(domain)  # noqa: S311 - the same bends at every look.
    strands = STRANDS[stage]
    laid = tuple(_strand(k, strands, top, _edge(is_left, lane), is_left, dice) for k in range(strands))
    leaves = tuple(
        leaf for k in range(strands) for leaf in _leaves(k, strands, top, is_left, dice) if k % 2 == 0 or strands < 4
    )
    return Course(
        domain, stage, top, 8.0 if is_left else WIDTH - 8.0, "start" if is_left else "end",
        _root(top, is_left, lane, ground, OWNER[stage] is Side.SERVICE, dice) if strands else "",
        2.0 + 1.4 * strands, laid, leaves,
    )  # fmt: skip


def _root(top: float, is_left: bool, lane: int, ground: float, is_rooted: bool, dice: random.Random) -> str:
    """Over the stone's shoulder, and down its side."""
    out = -1 if is_left else 1
    edge = _edge(is_left, lane)
    start = WIDTH / 2 + out * (16 + 9 * lane)
    end = ground + 5 if is_rooted else top + COURSE * 0.55
    path = f"M{start:.0f} {TOP - 46:.0f} C{start + out * 20:.0f} {TOP - 16:.0f}"
    path += f" {edge:.0f} {TOP - 40:.0f} {edge:.0f} {TOP + 12:.0f}"
    y, x = TOP + 12.0, edge
    while y < end - 1:
        step = min(end - y, COURSE / 2)
        lean = edge + dice.uniform(-4.5, 4.5)
        path += f" C{x:.1f} {y + step / 3:.1f} {lean:.1f} {y + 2 * step / 3:.1f} {lean:.1f} {y + step:.1f}"
        x, y = lean, y + step
    if is_rooted:
        path += f" q{out * 3} 10 {out * 22} 17 M{x:.1f} {y - 4:.1f} q{-out * 2} 12 {-out * 12} 19"
    return path


def _edge(is_left: bool, lane: int) -> float:
    """Where a root goes down."""
    return LEFT - 9 - 15 * lane if is_left else RIGHT + 9 + 15 * lane


def _strand(number: int, of: int, top: float, near: float, is_left: bool, dice: random.Random) -> str:
    """From the root across the course, rising and falling by turns, so that many make a lattice."""
    far = RIGHT + 6 if is_left else LEFT - 6
    at = top + COURSE * (number + 0.5) / max(of, 1)
    slope = (COURSE * 0.62 if of > 2 else COURSE * 0.18) * (1 if number % 2 else -1)
    begin = min(max(at - slope / 2, top + 6), top + COURSE - 6)
    end = min(max(at + slope / 2, top + 6), top + COURSE - 6)
    sag = dice.uniform(4, 12)
    third = (far - near) / 3
    return (f"M{near:.0f} {begin:.1f} C{near + third:.1f} {begin + sag:.1f} {far - third:.1f} {end - sag:.1f}"
            f" {far:.0f} {end:.1f}")  # fmt: skip


def _leaves(number: int, of: int, top: float, is_left: bool, dice: random.Random) -> list[Leaf]:
    far, out = (RIGHT + 6, 1) if is_left else (LEFT - 6, -1)
    at = top + COURSE * (number + 0.5) / max(of, 1)
    slope = (COURSE * 0.62 if of > 2 else COURSE * 0.18) * (1 if number % 2 else -1)
    end = min(max(at + slope / 2, top + 6), top + COURSE - 6)
    return [Leaf(far, round(end, 1), (0 if out > 0 else 180) + dice.uniform(-50, 50), dice.uniform(13, 18))]


def _crown(grown: float) -> tuple[Leaf, ...]:
    """A seedling where nothing has moved, a full crown where all has."""
    dice, found = random.Random("crown"), []  # noqa: S311
    many = 5 + round(75 * grown)
    wide, high = 26 + 96 * grown, 14 + 34 * grown
    for number in range(many):
        # Round above, flat below: it sits on the stone.
        angle = math.pi * (0.9 + 1.2 * (number + 0.5) / many) + dice.uniform(-0.12, 0.12)
        far = math.sqrt(dice.uniform(0.02, 1.0))
        x = WIDTH / 2 + wide * far * math.cos(angle)
        y = TOP - 38 + high * far * math.sin(angle)
        found.append(Leaf(round(x, 1), round(y, 1), math.degrees(angle) + dice.uniform(-40, 40), dice.uniform(16, 23)))
    return tuple(found)


def _told(domains: Sequence[tuple[str, Stage]]) -> str:
    said = ", ".join(f"{domain} in stage {stage}, owned by the {OWNER[stage]}" for domain, stage in domains)
    moved = sum(OWNER[stage] is Side.SERVICE for _, stage in domains)
    return f"{moved} of {len(domains)} domains belong to their services: {said}."
