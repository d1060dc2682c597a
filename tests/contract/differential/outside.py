"""What happens around a side without a request to it: somebody pays at Stripe, another domain tells, time passes.

An act is a step like any other. It is done once for each side, and what it brings is compared as an answer is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.contract.differential.domain import OUTSIDE, Step
from tests.support.clients import Answer, Attempt

NOTHING_THERE = 404
"""What the act is about does not exist, on neither side."""


@dataclass(frozen=True)
class Outside:
    """Stands among the people of a side."""

    acts: Mapping[str, Callable[..., Answer]]

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        assert isinstance(body, dict)
        return self.acts[path](**body)

    def close(self) -> None:
        pass


def act(name: str, **values: object) -> Step:
    return Step(OUTSIDE, "ACT", name, name, body=values, has_body=True)


def happened(status: int = 200, **facts: object) -> Answer:
    """What both sides must have in common."""
    said = Attempt("ACT", "", status, 0.0, 0.0, False)
    return Answer(said, {"x-request-id": "-"}, json.dumps(facts).encode())
