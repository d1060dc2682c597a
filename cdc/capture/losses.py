"""Whether a stream can go on from its position, and the name of what is in its way if it cannot. No IO.

Whatever could make a source skip changes without a word is found here, before the first one is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdc.position import Identity, Position, lsn_text, parse_lsn
from cdc.stream_errors import NotSetUp, StreamIdentityChanged


@dataclass(frozen=True)
class Standing:
    """What a source says of itself and of the slot, just now."""

    identity: Identity
    end: int
    """The end of its flushed WAL: nothing beyond it was ever sent, unless it is a source from the past."""
    confirmed: int | None
    """None: there is no such slot that could send."""
    is_invalidated: bool = False
    """The slot is there, but the server has removed the WAL that it needs."""
    forks: Mapping[int, int] = field(default_factory=dict)
    """For each earlier timeline of the source, the LSN at which its history left it."""
    beats: int = 0
    """How many heartbeats of this stream it has counted (`cdc.capture.beats`)."""


class SlotMissing(StreamIdentityChanged):
    """Somebody has dropped the slot."""

    code = "slot-missing"


class SlotInvalidated(StreamIdentityChanged):
    """The server gave the slot up: it may keep no more WAL (max_slot_wal_keep_size)."""

    code = "slot-invalidated"


class SlotAhead(StreamIdentityChanged):
    """The slot would begin behind the position: it was made anew or moved on, or the target lost transactions."""

    code = "slot-ahead"


class SourcePromoted(StreamIdentityChanged):
    """Another server of the same cluster is the primary; it has everything that the target has."""

    code = "source-promoted"


class SourceLostWrites(StreamIdentityChanged):
    """A promoted server lacks transactions that the target has: the copy may be the only place where they are."""

    code = "source-lost-writes"


class SourceBehind(StreamIdentityChanged):
    """The source came back from a backup: its log ends before what the target has applied."""

    code = "source-behind"


class SourceRebuilt(StreamIdentityChanged):
    """Another cluster, or a database restored into the same one, answers under this address; whether it holds the same
    rows nobody knows."""

    code = "source-rebuilt"


def require_same(position: Position | None, stream: str, found: Standing) -> Position:
    """The position, if the source is the one it belongs to and its slot can still send everything after it.

    A slot never confirms more than the target has flushed. A slot that did is ahead of a target that lost
    its last transactions (restored, failed over); the server would skip the gap without a word.
    """
    if position is None:
        raise NotSetUp(stream)
    if (loss := loss_of(position, found)) is not None:
        raise loss
    return position


def loss_of(position: Position, found: Standing) -> StreamIdentityChanged | None:
    """What is in the way; the gravest comes first, and the message names all of it."""
    kept, now, slot = position.identity, found.identity, found.identity.slot
    findings: list[tuple[type[StreamIdentityChanged], str]] = []
    if kept.system_id != now.system_id:
        findings.append((SourceRebuilt, f"system identifier was {kept.system_id}, is {now.system_id}"))
    elif kept.database and now.database and kept.database != now.database:
        text = f"the database was made anew in the same cluster (its oid was {kept.database}, is {now.database})"
        findings.append((SourceRebuilt, text))
    elif kept.timeline != now.timeline:
        findings.append(_promotion(position, found))
    elif found.end < position.lsn:
        text = f"the source's log ends at {lsn_text(found.end)}, the target has {lsn_text(position.lsn)}"
        findings.append((SourceBehind, f"{text}: the source was restored from a backup"))
    elif found.beats < position.heard:
        text = (
            f"the source has counted {found.beats} heartbeats of this stream, the target has reached {position.heard}"
        )
        findings.append((SourceBehind, f"{text}: the source was restored, from the image of a disk"))
    if kept.slot != slot:
        findings.append((SlotMissing, f"slot was {kept.slot}, is {slot}"))
    if found.is_invalidated:
        findings.append((SlotInvalidated, f"slot {slot} has lost its WAL"))
    elif found.confirmed is None:
        findings.append((SlotMissing, f"slot {slot} does not exist"))
    elif found.confirmed > position.lsn:
        text = f"slot {slot} has confirmed {lsn_text(found.confirmed)}, the target has only {lsn_text(position.lsn)}"
        findings.append((SlotAhead, f"{text}: the slot was made anew, or the target was restored"))
    if not findings:
        return None
    return findings[0][0](position.stream, [text for _kind, text in findings])


def _promotion(position: Position, found: Standing) -> tuple[type[StreamIdentityChanged], str]:
    """Whether the new primary has all that the target has, by its timeline history."""
    text = f"timeline was {position.identity.timeline}, is {found.identity.timeline}"
    fork = found.forks.get(position.identity.timeline)
    if fork is None:
        return SourceLostWrites, f"{text}, in a history that does not know the old one"
    if position.lsn > fork:
        return SourceLostWrites, f"{text} from {lsn_text(fork)} on; the target has {lsn_text(position.lsn)}"
    return SourcePromoted, text


def forks(history: str) -> dict[int, int]:
    """A timeline history file (`timeline <tab> LSN <tab> reason` a line) as {timeline: where it was left}."""
    found = {}
    for line in history.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0].isdigit() and "/" in words[1]:
            found[int(words[0])] = parse_lsn(words[1])
    return found
