"""What can be ordered from a page: the acts, what each needs, and one order as a value that goes to the worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import NEEDS, Access, Role
from migration_plan.lifecycle import Stage, reachable


class NoSuchAct(FigError):
    """No button of the console says this."""

    code = "no-such-act"
    exit_code = Exit.NOT_MEANT


@dataclass(frozen=True)
class Act:
    """One button. `words`: the command that does the same, and whose role it needs."""

    name: str
    title: str
    words: str
    what: str
    steps: tuple[str, ...] = ()
    """What it does, where no dry run tells."""
    needed: Role | None = None
    """Where it is more than the command's table says."""

    @property
    def role(self) -> Role:
        return self.needed or NEEDS.get(self.words) or NEEDS[self.words.split()[0]]


ACTS: dict[str, Act] = {
    act.name: act
    for act in (
        Act("advance", "Advance", "advance", "Bring the domain one stage on."),
        Act("rollback", "Roll back", "rollback", "Bring the domain back; nothing is lost."),
        Act(
            "freeze", "Freeze", "canary freeze", "Keep the canary's share where it is.",
            ("the share of the users stays as it is until it is thawed",
             "the limits are watched as before: a breach still sends every reader back to the monolith"),
            Role.OPERATOR,
        ),
        Act(
            "thaw", "Thaw", "canary thaw", "Let the canary go on by itself.",
            ("the controller takes the plan's next steps while all limits hold",
             "after a breach it begins again at the first step, with new evidence"),
            Role.OPERATOR,
        ),
        Act(
            "rehearse", "Rehearse", "rehearse", "Switch there and back on throw-away copies, under recorded reads.",
            ("copy every database to servers of a stack of its own; the live ones are only read",
             "start the application there, and replay recorded reads",
             "switch the domain there and back, five times, and measure how long writes are held",
             "compare every row of both copies",
             "take the copies away, and journal what came of it"),
        ),
        Act(
            "verify", "Verify", "verify", "Compare every row of both sides, while people write.",
            ("find one exact point in both streams",
             "compare every row of the domain at that point, through the lens",
             "journal how many rows were compared, and which differ; values are shown to nobody"),
        ),
        Act(
            "resume", "Resume", "resume", "Finish, or take back, what a controller left unfinished.",
            ("read both sides' rows: they alone decide",
             "before the release it is taken back, after it the rest is done"),
        ),
        Act(
            "accept", "Accept the schema", "sync accept", "Let the streams go on with schemas that were migrated.",
            ("compare both schemas with the plan: what does not fit is refused by name",
             "fence the tables that have joined the plan",
             "set both streams up for the columns there are now, and let them go on"),
        ),
    )
}  # fmt: skip


def act_named(name: str) -> Act:
    """NoSuchAct lists those there are."""
    if name not in ACTS:
        raise NoSuchAct(f'nothing here is called "{name}"', f"acts: {', '.join(ACTS)}")
    return ACTS[name]


def needed_role(act: Act, to: Stage | None) -> Role:
    """Whoever retires a domain is an admin: there is no way back from it."""
    return Role.ADMIN if to is Stage.RETIRED else act.role


def offered(
    stages: tuple[Stage, ...], stage: Stage, is_settled: bool, is_migrated: bool = False
) -> list[tuple[Act, Stage | None]]:
    """What makes sense in this stage, in the order of the buttons, with the stage it would lead to."""
    if not is_settled:
        return [(ACTS["resume"], None)]
    found: list[tuple[Act, Stage | None]] = [(ACTS["accept"], None)] if is_migrated else []
    found += [(ACTS["advance"], to) for to in reachable(stages, stage, True)]
    if stage is Stage.CANARY:
        found += [(ACTS["freeze"], None), (ACTS["thaw"], None)]
    found += [(ACTS["rollback"], to) for to in reachable(stages, stage, False)]
    if stage not in (Stage.MONOLITH, Stage.RETIRED):
        found.append((ACTS["verify"], None))
    if stage is not Stage.RETIRED:
        found.append((ACTS["rehearse"], None))
    return found


@dataclass(frozen=True)
class Order:
    """One act, as somebody has confirmed it. `stage`, `epoch`: what they were shown before."""

    domain: str
    act: str
    reason: str
    name: str
    who: str
    role: Role
    to: Stage | None = None
    is_switch: bool = False

    @property
    def access(self) -> Access:
        return Access(self.name, self.role)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def parse(cls, said: dict[str, Any]) -> Order:
        return cls(**{**said, "role": Role(said["role"]), "to": Stage(said["to"]) if said["to"] else None})
