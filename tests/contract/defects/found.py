"""What became of a defect, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NAME = "outcome of a defect"


@dataclass(frozen=True)
class Outcome:
    """Between processes and reports it goes as a dictionary."""

    service: str
    defect: str
    what: str
    difference: str
    """By which it was found; empty if it was not."""
    seconds: float

    @staticmethod
    def listed(outcomes: Sequence[Outcome]) -> Iterator[str]:
        for one in outcomes:
            yield f"{one.service}: {one.defect}: {one.what}"
            said = f"found by: {one.difference:.200}" if one.difference else "NOT FOUND"
            yield f"    {said} ({one.seconds:.1f} s)"
        found = sum(bool(one.difference) for one in outcomes)
        yield f"{found} of {len(outcomes)} defects were found, in {sum(one.seconds for one in outcomes):.0f} s."
