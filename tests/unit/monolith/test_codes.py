"""What is thought of a code that comes back, and where its digits come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from legacy_monolith.users.codes import ATTEMPTS, Code, Verdict, digits, judge
from legacy_monolith.users.limits import Limit

KEY, PHONE = "a secret key", "+4915112345678"
ID, OTHER_ID = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODE = Code(ID, 7, PHONE, "sent", 0, None, NOW + timedelta(seconds=1))
RIGHT = digits(KEY, ID, 7, PHONE)
WRONG = f"{(int(RIGHT) + 1) % 1_000_000:06}"


@pytest.mark.parametrize("state", ["sent", "intended", "in_doubt"])
def test_a_living_code_is_right_or_wrong(state: str) -> None:
    code = replace(CODE, state=state, attempts=ATTEMPTS - 1)
    assert judge(code, RIGHT, KEY, NOW) is Verdict.RIGHT
    assert judge(code, WRONG, KEY, NOW) is Verdict.WRONG


@pytest.mark.parametrize("given", [RIGHT, WRONG])
@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (None, Verdict.NONE_SENT),
        (replace(CODE, state="failed"), Verdict.NONE_SENT),
        (replace(CODE, state="refused"), Verdict.NONE_SENT),
        (replace(CODE, used_at=NOW), Verdict.USED),
        (replace(CODE, expires_at=NOW), Verdict.EXPIRED),
        (replace(CODE, attempts=ATTEMPTS), Verdict.EXHAUSTED),
        (replace(CODE, used_at=NOW, expires_at=NOW, attempts=ATTEMPTS), Verdict.USED),
    ],
)
def test_a_void_code_is_void_whatever_is_given(code: Code | None, verdict: Verdict, given: str) -> None:
    assert judge(code, given, KEY, NOW) is verdict


def test_digits_are_six_the_same_each_time_and_others_for_another_row_user_number_or_key() -> None:
    assert digits(KEY, ID, 7, PHONE) == RIGHT
    assert len(RIGHT) == 6
    assert RIGHT.isdecimal()
    others = {
        digits(KEY, OTHER_ID, 7, PHONE),
        digits(KEY, ID, 8, PHONE),
        digits(KEY, ID, 7, "+4915112345679"),
        digits("another key", ID, 7, PHONE),
    }
    assert RIGHT not in others
    assert len(others) == 4


@pytest.mark.parametrize(("left", "seconds"), [(600, 60), (599.5, 60), (541, 1), (540.1, 1), (0, 1)])
def test_a_refusal_names_the_whole_seconds_until_there_is_room(left: float, seconds: int) -> None:
    limit = Limit("test", at_once=10, share=timedelta(minutes=1))
    assert limit.wait(timedelta(seconds=left)) == seconds
