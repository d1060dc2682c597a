"""A running shop with people in it: what they do is written down, both sides' WAL is watched, and all of it judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from types import TracebackType

from tests.load.crowd import Size
from tests.load.figures import Figures, Sample
from tests.load.process import CrowdProcess
from tests.support.history import History, Operation, Verdict, check
from tests.support.history.check import missing
from tests.support.history.shop import Shop
from tests.support.history.watch import Watch
from tests.support.history.world import World
from tests.support.waiting import wait_until


class WatchedShop:
    """Enter, let people walk, move what is to be moved, and ask for the verdict as often as wanted."""

    def __init__(
        self, environment: Mapping[str, str], size: Size, domain: str = "catalog", world: World | None = None
    ) -> None:
        self.shop = Shop(environment["FIG_MONOLITH_DSN"], environment["FIG_CATALOG_DSN"], domain)
        self.watches = [Watch("monolith", self.shop.monolith, domain), Watch("service", self.shop.service, domain)]
        self.operations: list[Operation] = []
        self.samples: list[Sample] = []
        self.cpu_seconds = 0.0
        # Where money is taken and messages are sent, they are counted, too.
        self.world = world
        self._url, self._size = environment["FIG_PUBLIC_URL"], size
        self._before: frozenset[int] = frozenset()
        self._stack = ExitStack()

    def __enter__(self) -> WatchedShop:
        with ExitStack() as stack:
            for watch in self.watches:
                watch.begin()
                stack.callback(watch.end)
            # Of both sides: what the owner has, the copy may still be waiting for.
            self._before = frozenset().union(*(side.movements for side in self.shop.sides()))
            self._crowd = stack.enter_context(CrowdProcess(self._url, self._size))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def people(self) -> Iterator[None]:
        """People walk about while the block runs; afterwards nobody has a request under way."""
        self._crowd.walk()
        try:
            yield
        finally:
            self._crowd.pause()

    def count(self) -> Figures:
        return self._crowd.count()

    def look(self) -> None:
        """Read what the WALs hold by now, so that the servers need not keep it."""
        for watch in self.watches:
            watch.collect()

    def acknowledged_writes(self) -> int:
        """Changes that both sides accepted so far."""
        self.look()
        return sum(len(watch.acceptances) for watch in self.watches)

    def history(self, faultless: bool, rest_seconds: float = 30) -> History:
        """Everything since the beginning, with both sides at rest."""
        sides, orders = self.shop.wait_until_at_rest(rest_seconds)
        collected = self._crowd.collect()
        self.operations += collected.operations
        self.samples += collected.samples
        self.cpu_seconds = collected.cpu_seconds
        self.look()
        history = History(
            operations=tuple(self.operations),
            sides=sides,
            orders=orders,
            turns=tuple(turn for watch in self.watches for turn in watch.turns),
            acceptances=tuple(accepted for watch in self.watches for accepted in watch.acceptances),
            movements_before=self._before,
            faultless=faultless,
        )
        return self._with_outside(history, self.world, rest_seconds) if self.world else history

    def _with_outside(self, history: History, world: World, seconds: float) -> History:
        """Once everything is told and paid back that is to be; after `seconds`, as it is."""
        people = {operation.actor for operation in history.operations}
        found = [history]

        def settled() -> bool:
            has_settled = world.has_settled()
            found[0] = replace(history, orders=self.shop.orders(), outside=world.outside(people))
            return has_settled and not missing(found[0])

        with suppress(AssertionError):
            wait_until(settled, seconds, "everything told and paid back", every=0.5)
        return found[0]

    def judge(self, faultless: bool, rest_seconds: float = 30) -> Verdict:
        return check(self.history(faultless, rest_seconds))
