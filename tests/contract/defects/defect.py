"""A defect: what is wrong, in whose words, and which attribute of the service is replaced while it is on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defect:
    name: str
    what: str
    target: str
    """`module:Class.attribute` or `module:attribute`."""
    make: Callable[[Any], Any]
    """From the right thing to the wrong one."""


class Switchboard:
    """Turns defects of one service on and off while it runs; at most one is on."""

    def __init__(self, defects: tuple[Defect, ...]) -> None:
        self._defects = {defect.name: defect for defect in defects}
        self._undo: Callable[[], None] = lambda: None

    def turn_on(self, name: str) -> None:
        """The defect of this name, or none for an empty name. Raises KeyError for an unknown one."""
        defect = self._defects[name] if name else None
        self._undo()
        self._undo = lambda: None
        if defect:
            holder, attribute = _place(defect.target)
            right = holder.__dict__[attribute] if isinstance(holder, type) else getattr(holder, attribute)
            self._undo = lambda: setattr(holder, attribute, right)
            setattr(holder, attribute, defect.make(right))


def _place(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *outer, attribute = path.split(".")
    for name in outer:
        holder = getattr(holder, name)
    return holder, attribute
