"""What can go wrong between a plan and a switch. Each error says what is the case and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from migration_plan.exit_codes import Exit


class FigError(Exception):
    """Base of all errors that a person sees. `code` is stable; `next_step` is what to type or do."""

    code = "fig-error"
    exit_code: int = Exit.NOT_WELL

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def as_json(self) -> dict[str, object]:
        return {
            "error": self.code,
            "message": self.message,
            "next_steps": [self.next_step] if self.next_step else [],
        }


class StageRefused(FigError):
    """The wanted stage cannot follow the present one."""

    code = "stage-refused"
    exit_code = Exit.STAGE_REFUSED


@dataclass(frozen=True)
class Refusal:
    """One reason why a switch or a stage is refused before anyone waits."""

    code: str
    message: str
    next_step: str = ""

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "next_step": self.next_step}


class PreflightRefused(FigError):
    """All reasons at once; nothing was changed."""

    code = "preflight-refused"
    exit_code = Exit.REFUSED

    def __init__(self, domain: str, refusals: list[Refusal]) -> None:
        lines = "\n".join(
            f"  - [{r.code}] {r.message}" + (f" ({r.next_step})" if r.next_step else "") for r in refusals
        )
        super().__init__(f'domain "{domain}": {len(refusals)} reason(s) against it; nothing was changed:\n{lines}')
        self.refusals = refusals

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "refusals": [r.as_json() for r in self.refusals]}


class SideUnreachable(FigError):
    """A side's database does not answer."""

    code = "side-unreachable"
    exit_code = Exit.SIDE_AWAY

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"the database of the {side} side does not answer: {reason}", "fig status")
        self.side = side
        self.reason = reason


class PooledDsn(FigError):
    """A pooler answers where a session of our own is needed."""

    code = "pooled-dsn"
    exit_code = Exit.NOT_MEANT

    def __init__(self, whose: str, setting: str) -> None:
        super().__init__(
            f"a pooler answers for {whose}: sessions of fig keep a role, locks and bounds of their own",
            f"name the server itself in {setting}; the application may go on through its pooler",
        )


class SideRefused(FigError):
    """A side's database refuses a move for a reason that the switch does not know."""

    code = "side-refused"
    exit_code = Exit.SIDE_AWAY

    def __init__(self, domain: str, side: str, reason: str) -> None:
        super().__init__(f'domain "{domain}": the {side} side refuses: {reason}', f"fig plan check {domain}")


@dataclass(frozen=True)
class Blocker:
    """A session or prepared transaction that holds a lock in the way; never its query text."""

    pid: int | None
    application: str
    user: str
    state: str
    seconds: float
    relation: str
    mode: str

    def in_the_way(self, patience: float) -> bool:
        """Whether it outlasts what a fence waits for; our own streams are always about to end."""
        return self.seconds > (1.0 if self.application.startswith("fig-") else patience)

    def __str__(self) -> str:
        who = f"pid {self.pid}" if self.pid is not None else "prepared transaction"
        return (
            f"{who} ({self.application or 'no application_name'}, user {self.user}, {self.state},"
            f" {self.seconds:.1f} s) holds {self.mode} on {self.relation}"
        )


class TablesBusy(FigError):
    """The domain's tables could not be locked in time; the hold was released, nothing was changed."""

    code = "tables-busy"
    exit_code = Exit.BUSY

    def __init__(self, domain: str, side: str, blockers: list[Blocker]) -> None:
        named = "; ".join(map(str, blockers)) or "a lock that was gone when it was looked for"
        super().__init__(
            f'domain "{domain}": its tables on the {side} side could not be locked: {named}',
            "end that transaction or wait for it, then run the command again",
        )
        self.blockers = blockers


class StaleEpoch(FigError):
    """Compare-and-set found another state: somebody else has moved the domain meanwhile."""

    code = "stale-epoch"
    exit_code = Exit.MOVED_MEANWHILE

    def __init__(self, domain: str, side: str, found: str) -> None:
        super().__init__(
            f'domain "{domain}": another controller moved it meanwhile ({side} side is now {found})',
            f"fig status; fig history {domain}",
        )


class NotCaughtUp(FigError):
    """The taking side has not applied the marker; a grant now would lose writes."""

    code = "not-caught-up"
    exit_code = Exit.NOT_PROVEN


class SwitchAborted(FigError):
    """The switch was taken back; the giving side owns the domain again and no write was lost."""

    code = "switch-aborted"
    exit_code = Exit.TAKEN_BACK


class LeaseHeld(FigError):
    """Another controller is at work on this domain."""

    code = "lease-held"
    exit_code = Exit.LEASED

    def __init__(self, domain: str, holder: str, seconds: float) -> None:
        super().__init__(
            f'domain "{domain}" is in the hands of {holder} for {seconds:.1f} s more',
            f"wait, or look: fig history {domain}",
        )


class LeaseLost(FigError):
    """This process stood still for longer than its lease lasts, and another controller has taken the domain over."""

    code = "lease-lost"
    exit_code = Exit.LEASED

    def __init__(self, domain: str) -> None:
        super().__init__(
            f'domain "{domain}" was taken over by another controller: this one stood still longer than its lease lasts',
            f"look what became of it: fig history {domain}; fig status {domain}",
        )


class JournalUnreachable(FigError):
    """The journal's database does not answer; no new switch may begin, recovery goes on without it."""

    code = "journal-unreachable"
    exit_code = Exit.JOURNAL_AWAY


class RequestsBusy(FigError):
    """Requests in flight did not end within the bound; the hold was released."""

    code = "requests-busy"
    exit_code = Exit.BUSY

    def __init__(self, domain: str, left: int, bound: float) -> None:
        super().__init__(
            f'domain "{domain}": {left} write request(s) still in flight after {bound} s', "look: fig status"
        )


class DrainTimedOut(FigError):
    """The taking side did not apply the marker within the plan's bound."""

    code = "drain-timed-out"
    exit_code = Exit.TAKEN_BACK

    def __init__(self, domain: str, stream: str, bound: float) -> None:
        super().__init__(f'domain "{domain}": stream {stream} did not bring the marker within {bound} s', "fig status")


class OutboxNotDrained(FigError):
    """What the giver has told is not with the broker within the plan's bound."""

    code = "outbox-not-drained"
    exit_code = Exit.TAKEN_BACK

    def __init__(self, domain: str, publisher: str, bound: float) -> None:
        super().__init__(
            f'domain "{domain}": publisher {publisher} did not bring its last events to the broker within {bound} s',
            "see that the broker runs and that somebody listens: fig status; fig logs streams",
        )


class Cancelled(FigError):
    """A person pressed Ctrl-C before the decision."""

    code = "cancelled"
    exit_code = Exit.CANCELLED
