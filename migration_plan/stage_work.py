"""What runs beside a domain while it is in one stage: one small port that `shadow` and `canary` fill.

The stage in the journal is the decision; what runs at the proxies and in daemons follows it. So a move that dies
after the decision is finished by the controller, which calls `begin` or `end` again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_plan.gate import Gate
from migration_plan.lifecycle import Stage

if TYPE_CHECKING:
    from migration_plan.parts import Parts

STAGES = (Stage.SHADOW, Stage.CANARY)
"""Those that are nothing without work of their own."""


@dataclass(frozen=True)
class StageWork:
    """Both calls may be repeated by anyone at any time, and return only when every live proxy has it."""

    stage: Stage
    begins: str
    """What `begin` does, as a dry run says it; `ends` likewise."""
    ends: str
    begin: Callable[[Parts], None]
    """After the journal's stage has become `stage`."""
    end: Callable[[Parts], None]
    """After the journal's stage has become another one."""
    gates: Callable[[Parts], tuple[Gate, ...]]
    """What has to hold to leave the stage forwards; measures, changes nothing."""
