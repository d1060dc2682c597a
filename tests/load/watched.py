"""A running shop with people in it: what they do is written down, both sides' WAL is watched, and all of it judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType

from tests.load.crowd import Size
from tests.load.figures import Figures, Sample
from tests.load.process import CrowdProcess
from tests.support.history import History, Operation, Side, Verdict, check
from tests.support.history.shop import Shop
from tests.support.history.watch import Watch


class WatchedShop:
    """Enter, let people walk, move what is to be moved, and ask for the verdict as often as wanted."""

    def __init__(self, environment: Mapping[str, str], size: Size, domain: str = "catalog") -> None:
        self.shop = Shop(environment["FIG_MONOLITH_DSN"], environment["FIG_CATALOG_DSN"], domain)
        self.watches = [Watch("monolith", self.shop.monolith, domain), Watch("service", self.shop.service, domain)]
        self.operations: list[Operation] = []
        self.samples: list[Sample] = []
        self.cpu_seconds = 0.0
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
        sides: tuple[Side, ...] = self.shop.wait_until_at_rest(rest_seconds)
        collected = self._crowd.collect()
        self.operations += collected.operations
        self.samples += collected.samples
        self.cpu_seconds = collected.cpu_seconds
        self.look()
        return History(
            operations=tuple(self.operations),
            sides=sides,
            orders=self.shop.orders(),
            turns=tuple(turn for watch in self.watches for turn in watch.turns),
            acceptances=tuple(accepted for watch in self.watches for accepted in watch.acceptances),
            movements_before=self._before,
            faultless=faultless,
        )

    def judge(self, faultless: bool, rest_seconds: float = 30) -> Verdict:
        return check(self.history(faultless, rest_seconds))
