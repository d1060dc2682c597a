"""How `fig` ends, as one table: a number has one meaning. `docs/reference/exit-codes.md` is printed from here."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of all commands. Numbers are kept for ever: scripts depend on them."""

    OK = 0
    NOT_WELL = 1
    NOT_MEANT = 2
    STAGE_REFUSED = 3
    REFUSED = 4
    SIDE_AWAY = 5
    BUSY = 6
    MOVED_MEANWHILE = 7
    NOT_PROVEN = 8
    TAKEN_BACK = 9
    LEASED = 10
    JOURNAL_AWAY = 11
    FORBIDDEN = 12
    DIFFERENT = 13
    CONTRACT_BROKEN = 14
    JOURNAL_CHANGED = 15
    SHADOW_DIFFERS = 16
    REHEARSAL_FAILED = 17
    PORT_TAKEN = 20
    UNHEALTHY = 21
    STEP_FAILED = 22
    PROGRAM_MISSING = 23
    FOLDER_REFUSED = 24
    STACK_NOT_RUNNING = 25
    SUPERVISOR_FAILED = 26
    STILL_RUNNING = 27
    PROCESS_UNKNOWN = 28
    CANCELLED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done, or nothing to do",
    Exit.NOT_WELL: "something that should run or be settled is not: see the message",
    Exit.NOT_MEANT: "a command line, a setting, a plan or a name that cannot be meant; nothing was changed",
    Exit.STAGE_REFUSED: "the wanted stage cannot follow the present one; nothing was changed",
    Exit.REFUSED: "a gate or preflight is against it, all reasons named; nothing was changed",
    Exit.SIDE_AWAY: "a side's database does not answer, or refuses",
    Exit.BUSY: "transactions or requests were in the way for longer than the plan allows; nothing was changed",
    Exit.MOVED_MEANWHILE: "somebody else moved the domain, or a switch is not settled: `fig resume` comes first",
    Exit.NOT_PROVEN: "what the command depends on does not deliver, so nothing is known: streams, copy, figures",
    Exit.TAKEN_BACK: "the switch was taken back; the old owner owns again and no write was lost",
    Exit.LEASED: "another controller is at work on the domain",
    Exit.JOURNAL_AWAY: "the journal's database does not answer; no switch begins without it",
    Exit.FORBIDDEN: "the token's role may not do this, or there is no such token; nothing was changed",
    Exit.DIFFERENT: "both sides were compared, and rows differ",
    Exit.CONTRACT_BROKEN: "the contract command ran, and failed",
    Exit.JOURNAL_CHANGED: "the journal was changed behind fig's back; the entries are named",
    Exit.SHADOW_DIFFERS: "answers of both sides were compared, and differ by more than the plan allows",
    Exit.REHEARSAL_FAILED: "a rehearsal was finished, and requests failed or rows differed",
    Exit.PORT_TAKEN: "local stack: a port is taken by another program; nothing was started",
    Exit.UNHEALTHY: "local stack: a process did not become healthy in time",
    Exit.STEP_FAILED: "local stack: a preparation step failed",
    Exit.PROGRAM_MISSING: "local stack: a server program is not installed",
    Exit.FOLDER_REFUSED: "local stack: its folder belongs to somebody else, or is none of ours",
    Exit.STACK_NOT_RUNNING: "local stack: nothing runs",
    Exit.SUPERVISOR_FAILED: "local stack: the supervisor does not start or answer",
    Exit.STILL_RUNNING: "local stack: processes outlived `fig down`",
    Exit.PROCESS_UNKNOWN: "local stack: there is no process or log of this name",
    Exit.CANCELLED: "Ctrl-C, before the decision",
}


def as_text() -> str:
    """One line a code."""
    return "\n".join(f"{code.value:>4}  {MEANINGS[code]}" for code in Exit)
