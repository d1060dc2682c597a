"""The map: a fig that grows around a stone, one course of it for each domain. Pure: stages in, shapes out.

A domain's root comes down from the crown along one side of the stone. The further the domain, the more strands it lays
around its course; the root reaches the ground when the service owns, and the stone is hollow once it is retired.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from migration_plan.console.limbs import Limb, Point, limb
from migration_plan.lifecycle import OWNER, Side, Stage

WIDTH = 480
MIDDLE = WIDTH / 2
LEFT, RIGHT = 166.0, 314.0
TOP, COURSE, GAP, FOOT = 176.0, 84.0, 5.0, 58.0
STRANDS = {Stage.MONOLITH: 0, Stage.SYNC: 1, Stage.SHADOW: 2, Stage.CANARY: 3, Stage.SERVICE: 6, Stage.RETIRED: 6}
REACH = {Stage.SYNC: 0.5, Stage.SHADOW: 0.72, Stage.CANARY: 0.88}
"""How far around the stone the strands have come, where not all the way."""


@dataclass(frozen=True)
class Leaf:
    """A leaf at (x, y), turned by so many degrees, of this size. `tint`: 0 in the shade to 2 in the light."""

    x: float
    y: float
    turn: float
    size: float
    tint: int


@dataclass(frozen=True)
class Course:
    """One domain's course of the stone, and what of the fig is its own."""

    domain: str
    stage: Stage
    top: float
    joint: float
    """Where two blocks of it meet."""
    label_x: float
    anchor: str
    root: tuple[Limb, ...]
    """Its root, and where it stands in the ground its toes; empty: none has grown."""
    strands: tuple[Limb, ...]
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
    """All of the map. `ground`: where it stands; `crown`: its leaves, those in the shade first."""

    courses: tuple[Course, ...]
    trunk: Limb
    crown: tuple[Leaf, ...]
    ground: float
    summary: str
    told: str
    """The same in words, with every domain in it."""

    @property
    def height(self) -> float:
        return self.ground + FOOT


def grow(domains: Sequence[tuple[str, Stage]]) -> Tree:
    """The map of these domains, from the top down."""
    ground = TOP + len(domains) * (COURSE + GAP) + 12
    courses = tuple(_course(number, domain, stage, ground) for number, (domain, stage) in enumerate(domains))
    grown = sum(STRANDS[stage] for _, stage in domains) / (6 * max(1, len(domains)))
    bend = 5 * (1 - grown)
    tip = (MIDDLE + bend, TOP - 60 - 30 * grown)
    trunk = limb([(MIDDLE, TOP - 10), (MIDDLE - bend, TOP - 40), tip], 6 + 30 * grown, 3 + 12 * grown)
    moved = sum(course.owner is Side.SERVICE for course in courses)
    summary = f"{moved} of {len(courses)} domains belong to their services"
    return Tree(courses, trunk, _crown(grown), ground, f"{summary}.", f"{summary}: {_told(courses)}.")


def _course(number: int, domain: str, stage: Stage, ground: float) -> Course:
    top, is_left = TOP + number * (COURSE + GAP), number % 2 == 0
    lane, dice = number // 2, random.Random(domain)  # noqa: S311 - the same bends at every look.
    joint = LEFT + (RIGHT - LEFT) * dice.uniform(0.35, 0.65)
    lines = [_strand(k, stage, top, _edge(is_left, lane), is_left, dice) for k in range(STRANDS[stage])]
    return Course(
        domain, stage, top, round(joint), 14.0 if is_left else WIDTH - 14.0, "start" if is_left else "end",
        _root(top, is_left, lane, ground, stage, dice) if lines else (),
        tuple(limb(line, 10.5 if len(lines) > 3 else 8.0, 3.0) for line in lines),
        tuple(leaf for line in lines for leaf in _leaves(line, is_left, dice)),
    )  # fmt: skip


def _edge(is_left: bool, lane: int) -> float:
    """Where a root goes down."""
    return LEFT - 2 - 14 * lane if is_left else RIGHT + 2 + 14 * lane


def _root(top: float, is_left: bool, lane: int, ground: float, stage: Stage, dice: random.Random) -> tuple[Limb, ...]:
    """From below the crown over the stone's shoulder, down its side, and into the ground once the service owns."""
    out, edge, is_rooted = -1 if is_left else 1, _edge(is_left, lane), OWNER[stage] is Side.SERVICE
    points: list[Point] = [
        (MIDDLE + out * 4, TOP - 62 - 4 * lane), (MIDDLE + out * 15, TOP - 37 - 7 * lane),
        (MIDDLE + out * 46, TOP - 27 - 9 * lane), (edge - out * 14, TOP - 19 - 8 * lane), (edge, TOP + 16),
    ]  # fmt: skip
    end = ground + 4 if is_rooted else top + COURSE * 0.62
    while points[-1][1] < end - COURSE * 0.3:
        down = min(end, points[-1][1] + COURSE * 0.42)
        points.append((edge + dice.uniform(-4, 4), down))
    thick = 8.0 + 1.6 * STRANDS[stage]
    if not is_rooted:
        return (limb(points, thick, 3.0),)
    foot = points[-1][0]
    toes = [
        limb(
            [(foot, ground - 26), (foot + way * reach * 0.35, ground - 5), (foot + way * reach, ground + deep)],
            9.0,
            2.0,
        )
        for way, reach, deep in ((out, 38.0, 13.0), (-out, 20.0, 15.0))
    ]
    return (*toes, limb(points, thick, 8.0))


def _strand(number: int, stage: Stage, top: float, near: float, is_left: bool, dice: random.Random) -> list[Point]:
    """From the root across the course, rising and falling by turns, so that many make a lattice."""
    of, ahead = STRANDS[stage], 1 if is_left else -1
    far = near + ahead * (RIGHT - LEFT + 10) * REACH.get(stage, 1.0)
    at = top + COURSE * (number + 0.5) / of
    slope = COURSE * (0.66 if of > 2 else 0.3) * (1 if number % 2 else -1)
    low, high = top + 7, top + COURSE - 7
    begin, end = (min(max(at + slope * part, low), high) for part in (-0.5, 0.5))
    inner = [
        (near + (far - near) * part, begin + (end - begin) * part + dice.uniform(-5, 5) + 6 * math.sin(math.pi * part))
        for part in (0.25, 0.5, 0.75)
    ]
    return [(near, begin), *inner, (far, end)]


def _leaves(line: Sequence[Point], is_left: bool, dice: random.Random) -> list[Leaf]:
    """One at the end of a strand, one on its way."""
    ahead = 0 if is_left else 180
    tip, way = line[-1], line[dice.choice((2, 3))]
    return [
        Leaf(round(tip[0], 1), round(tip[1], 1), ahead + dice.uniform(-40, 40), dice.uniform(15, 20), 1),
        Leaf(round(way[0], 1), round(way[1], 1), dice.choice((-70, 70, 250, 110)) + dice.uniform(-20, 20),
             dice.uniform(11, 15), 2),
    ]  # fmt: skip


def _crown(grown: float) -> tuple[Leaf, ...]:
    """A seedling where nothing has moved, a full crown where all has."""
    dice, found = random.Random("crown"), []  # noqa: S311
    many = 7 + round(150 * grown)
    wide, high, above = 20 + 124 * grown, 14 + 42 * grown, TOP - 68 - 26 * grown
    for number in range(many):
        # As seeds lie in a fig's flower: even, and in no rows.
        angle, far = number * 2.39996, math.sqrt((number + 0.5) / many)
        x, y = wide * far * math.cos(angle), high * far * math.sin(angle)
        # Flat below, and in the light above on the left.
        y = y * 0.62 if y > 0 else y
        light = -y / high - 0.35 * x / wide + dice.uniform(-0.25, 0.25)
        turn = math.degrees(math.atan2(y, x)) + dice.uniform(-35, 35)
        tint = 2 if light > 0.4 else 1 if light > -0.15 else 0
        found.append(Leaf(round(MIDDLE + x, 1), round(above + y, 1), turn, dice.uniform(17, 24), tint))
    return tuple(sorted(found, key=lambda leaf: leaf.tint))


def _told(courses: Sequence[Course]) -> str:
    return ", ".join(f"{one.domain} in stage {one.stage}, owned by the {one.owner}" for one in courses)
