"""What keeps a stream from going on has a name, and nothing that could skip changes has none."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from cdc.capture import losses
from cdc.capture.budget import Budget, SlotFigures, Verdict, judge, limit
from cdc.capture.losses import Standing, forks, loss_of, require_same
from cdc.control import TRANSITIONS, Event, Phase
from cdc.position import Identity, Position
from cdc.stream_errors import NotSetUp, StreamIdentityChanged
from migration_plan.streaming.restarts import AFTER_LOSS

HERE = Identity("7", 2, "fig_s", "16384")
POSITION = Position("s", HERE, 100)
MB = 1024**2


def standing(
    identity: Identity = HERE, end: int = 200, confirmed: int | None = 100, lost: bool = False, fork: int | None = None
) -> Standing:
    return Standing(identity, end, confirmed, lost, {} if fork is None else {2: fork})


CASES: list[tuple[Standing, type[StreamIdentityChanged] | None]] = [
    (standing(), None),
    (standing(confirmed=50), None),
    (standing(end=100), None),
    (standing(end=99), losses.SourceBehind),
    (standing(confirmed=None), losses.SlotMissing),
    (standing(confirmed=None, lost=True), losses.SlotInvalidated),
    (standing(confirmed=101), losses.SlotAhead),
    (standing(Identity("8", 2, "fig_s")), losses.SourceRebuilt),
    (standing(Identity("7", 2, "other")), losses.SlotMissing),
    (standing(Identity("7", 3, "fig_s"), fork=100), losses.SourcePromoted),
    (standing(Identity("7", 3, "fig_s"), fork=99), losses.SourceLostWrites),
    (standing(Identity("7", 3, "fig_s")), losses.SourceLostWrites),
    (standing(Identity("7", 1, "fig_s")), losses.SourceLostWrites),
    # A database that was restored into the same cluster; one whose oid nobody wrote down is believed.
    (standing(Identity("7", 2, "fig_s", "16999"), confirmed=None), losses.SourceRebuilt),
    (standing(Identity("7", 2, "fig_s")), None),
    # The gravest first: a slot that is gone does not hide a server that is another one.
    (standing(Identity("8", 1, "fig_s"), end=5, confirmed=None), losses.SourceRebuilt),
    (standing(end=99, confirmed=None), losses.SourceBehind),
    (standing(Identity("7", 3, "fig_s"), confirmed=None, fork=99), losses.SourceLostWrites),
]


@pytest.mark.parametrize(("found", "kind"), CASES)
def test_each_change_of_a_source_has_its_name(found: Standing, kind: type[StreamIdentityChanged] | None) -> None:
    loss = loss_of(POSITION, found)
    assert type(loss) is (kind or type(None))
    if kind is None:
        assert require_same(POSITION, "s", found) is POSITION
    else:
        with pytest.raises(kind, match="stream s cannot go on"):
            require_same(POSITION, "s", found)


def test_a_source_that_knows_fewer_heartbeats_than_its_target_is_from_the_past() -> None:
    """Nothing else tells the image of its disk, copied back, from what it was: server, timeline, log and slot fit."""
    reached = replace(POSITION, heard=5)
    assert loss_of(reached, replace(standing(), beats=5)) is None
    assert loss_of(reached, replace(standing(), beats=6)) is None
    for beats in (0, 4):
        assert type(loss_of(reached, replace(standing(), beats=beats))) is losses.SourceBehind


def test_a_stream_without_position_is_not_set_up() -> None:
    with pytest.raises(NotSetUp):
        require_same(None, "s", standing())


def test_whatever_a_source_says_the_stream_goes_on_only_where_nothing_can_be_skipped() -> None:
    identities = [Identity(system, line, slot) for system in "78" for line in (1, 2, 3) for slot in ("fig_s", "x")]
    for identity, end, confirmed, lost, fork in itertools.product(
        identities, (99, 100, 101), (None, 99, 100, 101), (False, True), (None, 99, 100)
    ):
        if loss_of(POSITION, standing(identity, end, confirmed, lost, fork)) is None:
            assert identity == HERE
            assert end >= POSITION.lsn
            assert confirmed is not None
            assert confirmed <= POSITION.lsn
            assert not lost


def test_every_loss_has_its_consequence_and_a_copy_is_made_only_where_it_destroys_nothing() -> None:
    kinds = {
        kind for kind in vars(losses).values() if isinstance(kind, type) and issubclass(kind, StreamIdentityChanged)
    }
    assert set(AFTER_LOSS) == kinds - {StreamIdentityChanged}
    by_hand = {kind for kind, event in AFTER_LOSS.items() if event is Event.DOUBTFUL}
    assert by_hand == {losses.SourceLostWrites, losses.SourceBehind, losses.SourceRebuilt}


def test_a_history_file_says_where_each_timeline_was_left() -> None:
    history = "1\t0/3000148\tno recovery target specified\n\n2\t1/B374D848\tbefore 2026-01-01\n"
    assert forks(history) == {1: 0x3000148, 2: 0x1B374D848}
    assert forks("") == {}


def test_no_phase_is_a_dead_end_and_a_person_can_always_ask() -> None:
    """Copying is left by its end, whatever that is; every other phase but running leads there."""
    for phase in Phase:
        leads_to = {then for (now, _), then in TRANSITIONS.items() if now is phase}
        assert leads_to - {phase}, phase
    for phase in Phase:
        assert phase is Phase.COPYING or (phase, Event.ASKED) in TRANSITIONS


def slot(retained: int, **more: object) -> SlotFigures:
    return SlotFigures(True, True, retained=retained, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        (SlotFigures(False, retained=10**12), Verdict.CALM),
        (slot(10 * MB), Verdict.CALM),
        (slot(51 * MB), Verdict.GROWING),
        (slot(100 * MB), Verdict.GROWING),
        (slot(100 * MB + 1), Verdict.OVER),
        (slot(1, wal_status="unreserved"), Verdict.OVER),
        (SlotFigures(True, wal_status="lost"), Verdict.OVER),
        (slot(41 * MB, keep_size=50 * MB), Verdict.OVER),
        (slot(30 * MB, free_disk=20 * MB), Verdict.OVER),
        (slot(30 * MB, free_disk=10**12), Verdict.CALM),
    ],
)
def test_a_slot_goes_before_the_disk_or_the_server_decides(figures: SlotFigures, verdict: Verdict) -> None:
    assert judge(Budget(100 * MB), figures) is verdict


def test_a_stream_that_gives_up_again_and_again_stays_away_longer_and_longer() -> None:
    budget = Budget(100 * MB, pause=60, longest_pause=3600)
    assert [budget.pause_after(times) for times in (0, 1, 2, 3, 20, 10**6)] == [60, 60, 120, 240, 3600, 3600]
    assert limit(budget, slot(0, keep_size=10 * MB)) == 8 * MB
