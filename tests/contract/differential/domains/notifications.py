"""Notifications: somebody with a verified number, somebody without one, a visitor, and who sends no CSRF token.

Messages have the same ids on both sides, as these come from events. Whatever is told is sent at once, unless there is
trouble outside.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

import legacy_monolith.openapi
from tests.contract.differential.domain import Domain, Noise, Ref, Same, Step
from tests.contract.differential.outside import act
from tests.contract.differential.steps import KEYS

ROOT = "/api/notifications"
KINDS = (
    "user.signed_up",
    "user.password_changed",
    "user.email_changed",
    "user.phone_verified",
    "user.logged_out_everywhere",
    "order.placed",
    "order.paid",
    "order.cancelled",
    "order.expired",
    "order.refunded",
    "order.sold",
    "order.of_a_kind_that_nobody_knows",
)
TROUBLES = ("refused for now", "refused for good", "broken", "no answer", "lost on the way")
LINES = [{"title": "A chair\nof oak", "quantity": 2}, {"title": "é" * 120, "quantity": 1}]


def _event(number: int, kind: str, to: str, **facts: object) -> dict[str, object]:
    return {"number": number, "kind": kind, "to": to, **facts}


def _choose(actor: str, **choices: dict[str, bool]) -> Step:
    return Step(actor, "PATCH", f"{ROOT}/preferences", "changePreferences", body=choices, has_body=True)


def _list(actor: str, limit: int) -> Step:
    return Step(actor, "GET", f"{ROOT}/messages", "listMessages", query=(("limit", limit),))


def _read(actor: str, number: int) -> Step:
    return Step(actor, "POST", f"{ROOT}/messages/{{id}}/read", "readMessage", (("id", Ref("message", number)),))


def _unread(actor: str) -> Step:
    return Step(actor, "GET", f"{ROOT}/unread", "countUnread")


_events = st.lists(
    st.builds(
        _event,
        # So few that events are told again.
        st.integers(0, 12),
        st.sampled_from(KINDS),
        st.sampled_from(["ada", "bob"]),
        amount=st.sampled_from([0, 5, 100, 2468, 99_999_999]),
        lines=st.sampled_from([[], LINES, LINES * 11]),
    ),
    min_size=1,
    max_size=3,
)
_trouble = st.sampled_from(TROUBLES)

NOTIFICATIONS = Domain(
    name="notifications",
    document=Path(legacy_monolith.openapi.__file__).with_name("notifications.yml"),
    actors=("ada", "ada", "ada", "bob", "bob", "visitor", "ada-without-token"),
    prelude=(
        _choose("ada", sms={"orders": True, "sales": True}),
        _choose("bob", email={"orders": False}, sms={"orders": True}),
        act(
            "happen",
            events=[
                _event(0, "order.placed", "ada"),
                _event(1, "order.paid", "bob"),
                _event(2, "user.email_changed", "ada"),
                _event(3, "order.sold", "ada", amount=1205, lines=LINES),
                _event(4, "user.password_changed", "bob"),
            ],
        ),
        _unread("ada"),
        _read("ada-without-token", 0),
        _read("ada", 0),
        _read("bob", 0),
        _read("ada", 1),
        _read("bob", 1),
        _read("ada", 2),
        _unread("ada"),
        _list("ada", 2),
        _list("ada", 100),
        _unread("bob"),
        _list("bob", 20),
    ),
    hints={
        "id": st.one_of(st.builds(Ref, st.just("message"), st.integers(0, 9)), st.sampled_from(KEYS)),
        "limit": st.sampled_from([1, 2, 3, 100, 101]),
        "cursor": st.one_of(st.builds(Ref, st.just("cursor"), st.integers(0, 3)), st.just("bm90IG9uZQ")),
    },
    learned={"listMessages": ("cursor", "next_cursor")},
    fields={
        "created_at": Noise.MOMENT,
        # Of messages that are due at once any may be the first.
        "sent_at": Noise.WHENEVER,
        # It holds a moment.
        "next_cursor": Noise.CURSOR,
        "detail": Noise.WORDS,
        "message": Noise.WORDS,
        "next_step": Noise.WORDS,
    },
    columns={
        "message.due_at": Noise.MOMENT,
        "message.claimed_at": Noise.MOMENT,
        # A mail's is its id, a text message's is drawn by the carrier.
        "message.reference": Same("reference"),
        "message.created_at": Noise.MOMENT,
        "message.sent_at": Noise.MOMENT,
        "message.read_at": Noise.MOMENT,
        "preference_owner.updated_at": Noise.MOMENT,
        "inbox.received_at": Noise.MOMENT,
    },
    outside=(
        st.builds(lambda events: act("happen", events=events), _events),
        # One at a time: of two that are due at once, any may be the first to be refused.
        st.builds(lambda events, trouble: act("happen", events=events[:1], trouble=trouble), _events, _trouble),
        st.builds(lambda trouble: act("pass time", trouble=trouble), st.one_of(st.just(""), _trouble)),
    ),
)
