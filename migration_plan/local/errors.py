"""What can go wrong with a local stack, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit


class PortTaken(FigError):
    """Another program listens where a process of the stack should; nothing was started."""

    code = "port-taken"
    exit_code = Exit.PORT_TAKEN

    def __init__(self, taken: list[tuple[str, str, int]], base: int) -> None:
        named = ", ".join(f"{port} ({name} of {process})" for process, name, port in taken)
        super().__init__(
            f"port {named} is taken by another program; nothing was started",
            f"FIG_PORT_BASE={base + 200} fig up   (FIG_PORT_BASE is {base} now)",
        )
        self.taken = taken


class ProcessUnhealthy(FigError):
    """A process of the stack did not become healthy in time, or kept ending."""

    code = "process-unhealthy"
    exit_code = Exit.UNHEALTHY

    def __init__(self, name: str, reason: str, log_lines: list[str]) -> None:
        shown = "".join(f"\n    {line}" for line in log_lines) or "\n    (its log is empty)"
        super().__init__(
            f"{name} {reason}. The last lines of its log:{shown}", f"fig logs {name}   then: fig down; fig up"
        )
        self.name = name


class StepFailed(FigError):
    """A preparation step ended with an error."""

    code = "step-failed"
    exit_code = Exit.STEP_FAILED

    def __init__(self, name: str, reason: str, log_lines: list[str]) -> None:
        shown = "".join(f"\n    {line}" for line in log_lines) or "\n    (its log is empty)"
        super().__init__(f"step {name} {reason}. The last lines of its log:{shown}", f"fig logs {name}   then: fig up")
        self.name = name


class ProgramMissing(FigError):
    """A server program is not installed."""

    code = "program-missing"
    exit_code = Exit.PROGRAM_MISSING

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed on this machine", "make setup")


class FolderRefused(FigError):
    """The state folder belongs to somebody else, or is no state folder of ours."""

    code = "folder-refused"
    exit_code = Exit.FOLDER_REFUSED

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} {reason}", "FIG_STATE=FOLDER fig up   (a folder of your own)")


class StackNotRunning(FigError):
    """There is no running stack in this state folder."""

    code = "stack-not-running"
    exit_code = Exit.STACK_NOT_RUNNING

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no stack runs in {folder}", "fig up")


class SupervisorFailed(FigError):
    """The supervisor did not start or does not answer."""

    code = "supervisor-failed"
    exit_code = Exit.SUPERVISOR_FAILED


class StillRunning(FigError):
    """Processes of the stack outlived `fig down`."""

    code = "still-running"
    exit_code = Exit.STILL_RUNNING

    def __init__(self, pids: list[int]) -> None:
        super().__init__(f"these processes of the stack could not be ended: {pids}", "end them by hand: kill -9 PID")


class ProcessUnknown(FigError):
    """The stack file has no process of this name."""

    code = "process-unknown"
    exit_code = Exit.PROCESS_UNKNOWN

    def __init__(self, names: list[str], known: list[str]) -> None:
        super().__init__(f"no process {', '.join(names)} in the stack; there are {', '.join(known)}", "fig status")
        self.names = names
