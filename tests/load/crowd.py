"""Many people at once, each on a thread, at a steady pace that never exceeds what was asked for."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.figures import Figures, Sample
from tests.load.person import Person
from tests.load.seller import Seller
from tests.load.shopper import Shopper
from tests.load.visitor import Visitor
from tests.support.history import Operation


@dataclass(frozen=True)
class Size:
    """How many of whom, and how many requests per second they make together."""

    shoppers: int = 12
    sellers: int = 5
    visitors: int = 9
    rate: float = 235.0
    name: str = "crowd"
    seed: int = 1
    buying: float = Shopper.buying

    @property
    def people(self) -> int:
        return self.shoppers + self.sellers + self.visitors


class Crowd:
    """Enter once; then walk and pause as often as wanted."""

    def __init__(self, url: str, size: Size) -> None:
        self.people = _people(url, size)
        self._period = size.people / size.rate
        self._walking = threading.Event()
        self._left = threading.Event()
        self._threads: list[threading.Thread] = []
        self._busy = {person.email: threading.Lock() for person in self.people}
        self._errors: list[BaseException] = []
        self._counted = [0] * len(self.people)
        self.figures = Figures()

    def enter(self) -> None:
        """Sellers first: whoever comes next finds something on the shelves."""
        for person in sorted(self.people, key=lambda person: not isinstance(person, Seller)):
            person.enter()
        for number, person in enumerate(self.people):
            thread = threading.Thread(target=self._live, args=(person, number), name=person.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def walk(self) -> None:
        self._walking.set()

    def pause(self) -> None:
        """Return when nobody has a request under way."""
        self._walking.clear()
        for busy in self._busy.values():
            with busy:
                pass
        self._raise_errors()

    def leave(self) -> None:
        self.pause()
        self._left.set()
        self._walking.set()
        for thread in self._threads:
            thread.join()
        for person in self.people:
            person.client.close()

    def count(self) -> Figures:
        """Figures so far; cheap enough to be asked several times a second."""
        self._raise_errors()
        for number, person in enumerate(self.people):
            until = len(person.samples)
            self.figures.add(person.samples[self._counted[number] : until])
            self._counted[number] = until
        return self.figures

    def operations(self) -> list[Operation]:
        return [operation for person in self.people for operation in person.operations]

    def samples(self) -> list[Sample]:
        return [sample for person in self.people for sample in person.samples]

    def _live(self, person: Person, number: int) -> None:
        try:
            self._walk_on(person, number)
        except Exception as error:  # noqa: BLE001  Handed to whoever asks next: a lost thread must not go unseen.
            self._errors.append(error)

    def _walk_on(self, person: Person, number: int) -> None:
        due = time.monotonic() + self._period * number / len(self.people)
        for step in person.steps():
            # A person who was late does not hurry to catch up: closed loop.
            due = max(due + self._period * random.uniform(0.5, 1.5), time.monotonic())
            self._left.wait(max(0.0, due - time.monotonic()))
            while not self._left.is_set():
                self._walking.wait()
                with self._busy[person.email]:
                    if self._walking.is_set() and not self._left.is_set():
                        step()
                        break
            if self._left.is_set():
                return

    def _raise_errors(self) -> None:
        if self._errors:
            raise RuntimeError("somebody in the crowd stumbled over the crowd's own code") from self._errors[0]


def _people(url: str, size: Size) -> Sequence[Person]:
    """Every third person opens a new connection for each request; the others keep theirs."""
    kinds: list[type[Person]] = [Seller] * size.sellers + [Shopper] * size.shoppers + [Visitor] * size.visitors
    people = [
        kind(f"{kind.__name__.lower()}-{number}-{size.name}", url, number % 3 != 0, size.seed)
        for number, kind in enumerate(kinds, start=1)
    ]
    for person in people:
        if isinstance(person, Shopper):
            person.buying = size.buying
    return people
