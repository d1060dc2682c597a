"""When an event is sent, how often and in which order. Decisions only: no threads, no network, no clock of its own.

Order: events of one payment go through one lane, one after the other, as long as nothing fails; events of different
payments do not wait for each other. Whatever fails comes again later, so later events overtake it, as with Stripe.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Endpoint(BaseModel):
    """Where events go, and the pauses between attempts that failed. It is never given up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^/]+")
    secret: str
    first_pause: float = Field(default=0.5, gt=0)
    longest_pause: float = Field(default=30.0, gt=0)

    def pause_after(self, failures: int) -> float:
        return min(self.longest_pause, self.first_pause * 2 ** min(failures - 1, 30))


class Disorder(BaseModel):
    """What is done to every event: sent `copies` times, `delay` seconds late, and in groups of `reorder` backwards.

    A group that is not full after `patience` seconds goes out backwards as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    copies: int = Field(default=1, ge=1)
    delay: float = Field(default=0.0, ge=0)
    reorder: int = Field(default=1, ge=1)
    patience: float = Field(default=2.0, ge=0)


@dataclass(eq=False)
class Delivery:
    """One event on its way; a doubled event is two deliveries."""

    event_id: str
    event_type: str
    payload: str
    lane: int
    due: float
    order: int
    attempts: list[dict[str, Any]] = field(default_factory=list)
    delivered: bool = False

    def described(self) -> dict[str, Any]:
        return {
            "event": self.event_id, "type": self.event_type, "delivered": self.delivered, "attempts": self.attempts,
        }  # fmt: skip


class Schedule:
    """The deliveries that wait. `next_due` of a lane is what that lane's sender does next."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._orders = itertools.count(1)
        self._waiting: list[list[Delivery]] = [[] for _ in range(lanes)]
        self._group: list[Delivery] = []
        self.all: list[Delivery] = []

    def add(self, event_id: str, event_type: str, payload: str, about: str, disorder: Disorder, now: float) -> None:
        """Plan all copies of an event about the payment `about`."""
        for _ in range(disorder.copies):
            # A group is sent by one lane, or its order would be left to chance.
            lane = self._group[0].lane if self._group else hash(about) % self._lanes
            delivery = Delivery(event_id, event_type, payload, lane, now + disorder.delay, next(self._orders))
            self.all.append(delivery)
            self._waiting[lane].append(delivery)
            if disorder.reorder > 1:
                self._hold(delivery, disorder, now)

    def _hold(self, delivery: Delivery, disorder: Disorder, now: float) -> None:
        """Everybody in the group waits for the same moment, and then the last one is the first."""
        group_ends = self._group[0].due if self._group else delivery.due + disorder.patience
        self._group.append(delivery)
        delivery.due, delivery.order = group_ends, -delivery.order
        if len(self._group) >= disorder.reorder:
            for held in self._group:
                held.due = now + disorder.delay
            self._group = []

    def take_due(self, lane: int, now: float) -> tuple[Delivery | None, float | None]:
        """The delivery to send now, taken out; or None and the seconds until there is one (None: nothing waits)."""
        waiting = self._waiting[lane]
        if not waiting:
            return None, None
        first = min(waiting, key=lambda delivery: (delivery.due, delivery.order))
        if first.due > now:
            return None, first.due - now
        waiting.remove(first)
        if first in self._group:
            self._group = []
        return first, None

    def put_back(self, delivery: Delivery, due: float) -> None:
        delivery.due = due
        self._waiting[delivery.lane].append(delivery)

    def release(self, now: float) -> None:
        """Whatever waits is due."""
        self._group = []
        for waiting in self._waiting:
            for delivery in waiting:
                delivery.due = min(delivery.due, now)
