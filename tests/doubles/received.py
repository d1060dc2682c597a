"""What a double was asked, and how that ended: the record that tests read and people look at."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from tests.doubles.faults import Fault, Seen

# Requests beyond this are forgotten, oldest first; what they did is in the double's state.
_REMEMBERED = 10_000


@dataclass
class Entry:
    """One request. `ending` says what the caller could know: an answer, or none."""

    number: int
    at: str
    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    status: int | None = None
    ending: str = "in progress"

    def answered(self, status: int) -> None:
        self.status, self.ending = status, "answered"

    def not_answered(self, done: bool) -> None:
        """The connection was ended on purpose."""
        self.ending = "done, answer lost" if done else "dropped"


class Received:
    """The last requests, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries: deque[Entry] = deque(maxlen=_REMEMBERED)

    def note(self, seen: Seen, headers: Mapping[str, str], fault: Fault | None) -> Entry:
        with self._lock:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            entry = Entry(next(self._numbers), now, seen.method, seen.path, dict(seen.parameters), dict(headers))
            entry.fault = fault.kind.value if fault else ""
            self._entries.append(entry)
            return entry

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def listed(self, newest: int | None = None) -> list[dict[str, object]]:
        """All that are remembered, oldest first; or only the newest, those first."""
        with self._lock:
            entries = list(self._entries)
        if newest is not None:
            entries = entries[::-1][:newest]
        return [asdict(entry) for entry in entries]
