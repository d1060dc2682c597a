"""Which request gets which fault."""

from __future__ import annotations

from tests.doubles.faults import Fault, Faults, Kind, Seen

SEND = Seen("POST", "/v1/refunds", {"payment_intent": "pi_1", "amount": "5"})
LOOK = Seen("GET", "/v1/refunds/re_1")


def taken(faults: Faults, seen: Seen) -> Kind | None:
    fault = faults.take(seen)
    return fault.kind if fault else None


def test_a_fault_is_used_as_often_as_told_and_then_gone():
    faults = Faults()
    faults.add(Fault(kind=Kind.DROP, times=2))
    assert [taken(faults, SEND) for _ in range(3)] == [Kind.DROP, Kind.DROP, None]
    assert faults.listed() == []


def test_a_fault_lets_the_first_matching_requests_pass():
    faults = Faults()
    faults.add(Fault(kind=Kind.LOST, skip=1, method="POST"))
    assert [taken(faults, one) for one in (SEND, LOOK, SEND, SEND)] == [None, None, Kind.LOST, None]


def test_a_fault_waits_for_the_request_it_is_meant_for():
    faults = Faults()
    faults.add(Fault(kind=Kind.ERROR, path="/v1/refunds/*"))
    faults.add(Fault(kind=Kind.SLOW, where={"payment_intent": "pi_1"}))
    faults.add(Fault(kind=Kind.DROP, where={"payment_intent": "pi_2"}))
    assert [taken(faults, one) for one in (SEND, LOOK, SEND)] == [Kind.SLOW, Kind.ERROR, None]
    assert [fault["kind"] for fault in faults.listed()] == ["drop"]


def test_a_fault_that_is_skipping_leaves_the_request_to_the_next_one():
    faults = Faults()
    faults.add(Fault(kind=Kind.ERROR, skip=1))
    faults.add(Fault(kind=Kind.RATE_LIMITED))
    assert [taken(faults, LOOK) for _ in range(2)] == [Kind.RATE_LIMITED, Kind.ERROR]
