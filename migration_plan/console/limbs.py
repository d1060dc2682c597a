"""Limbs of the fig as SVG paths: curves through points, thick where they begin and thin where they end. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Limb:
    """One root or branch. `body`: its outline, to be filled; `light`: the line where light falls on it."""

    body: str
    light: str
    light_width: float


def limb(points: Sequence[Point], thick: float, thin: float) -> Limb:
    """Along these points, two at least."""
    one, other, lit = [], [], []
    for number, (x, y) in enumerate(points):
        (ax, ay), (bx, by) = points[max(number - 1, 0)], points[min(number + 1, len(points) - 1)]
        long = math.hypot(bx - ax, by - ay) or 1.0
        half = (thick + (thin - thick) * number / (len(points) - 1)) / 2
        across, along = -(by - ay) / long * half, (bx - ax) / long * half
        one.append((x + across, y + along))
        other.append((x - across, y - along))
        # Light comes from above, on the left.
        side = 1 if across + along < 0 else -1
        lit.append((x + side * across * 0.35, y + side * along * 0.35))
    outline = f"M{_at(one[0])}{_through(one)} L{_at(other[-1])}{_through(other[::-1])}Z"
    return Limb(outline, f"M{_at(lit[0])}{_through(lit)}", round(max(0.8, (thick + thin) / 9), 1))


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _through(points: Sequence[Point]) -> str:
    """From the first to the last one, a smooth curve through all (Catmull and Rom's)."""
    said = []
    for number in range(len(points) - 1):
        before, (ax, ay) = points[max(number - 1, 0)], points[number]
        (bx, by), after = points[number + 1], points[min(number + 2, len(points) - 1)]
        first = (ax + (bx - before[0]) / 6, ay + (by - before[1]) / 6)
        second = (bx - (after[0] - ax) / 6, by - (after[1] - ay) / 6)
        said.append(f" C{_at(first)} {_at(second)} {_at((bx, by))}")
    return "".join(said)
