"""Whole switches of the catalog on a real stack: whether their holds grow with the rows, and who else feels them.

Who writes meanwhile, and for I9 who switches, is a process of its own (`apart`).
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.synchronize import Event

import psycopg

from migration_plan.errors import SwitchAborted
from migration_plan.lifecycle import Side
from tests.bench.apart import apart
from tests.bench.figure import Figure, Scale
from tests.load.moving import Moving
from tests.load.person import Person
from tests.load.seller import PLENTY, Seller
from tests.support.stack import CATALOG_ONLY, Stack, evidence_folder, private_stack

PAUSE = 0.05
"""Seconds between two requests of one writer, on average."""
SWITCH_EVERY = 2.0
"""Seconds from one switch's beginning to the next one's, where others are watched beside them."""

MOVEMENTS = """
    insert into stock_movements (product_id, delta, reason, request_key, created_at)
    select (select min(id) from products), 1, 'adjustment', gen_random_uuid(), now() from generate_series(1, %s)"""


def measure(scale: Scale) -> Sequence[Figure]:
    few, many = scale.of(10_000, 1000), scale.of(5_000_000, 20_000)
    with shop(few, scale) as small:
        beside = untouched(small, scale)
        with shop(many, scale) as large:
            return [holds(small, large, few, many, scale), beside]


@contextmanager
def shop(rows: int, scale: Scale) -> Iterator[Stack]:
    """The monolith and the catalog, the catalog in `sync` with so many rows."""
    with private_stack() as stack:
        done = stack.fig("up", *CATALOG_ONLY)
        if done.returncode != 0:
            stack.collect(evidence_folder("bench"))
            raise RuntimeError(f"fig up:\n{done.stdout}{done.stderr}")
        seller(stack, "stock", 0)
        with psycopg.connect(stack.env["FIG_MONOLITH_DSN"]) as monolith:
            monolith.execute(MOVEMENTS, [rows])
        began = time.monotonic()
        Moving(stack).begin_sync()
        scale.say(f"{rows:,} rows copied and compared in {time.monotonic() - began:.0f} s")
        yield stack


def seller(stack: Stack, name: str, seed: int) -> Seller:
    """Somebody with a product to write to."""
    one = Seller(name, stack.env["FIG_PUBLIC_URL"], keep_alive=True, seed=seed)
    Person.enter(one)
    one.create(PLENTY)
    return one


def write(begun: Event, stop: Event, stack: Stack, tag: str, count: int = 4) -> None:
    """People who change their stock, some seventy times a second together, each when they have thought of it.

    Not each after the same pause: a hold ends for all of them at once, and from then on they would write in step, so
    that what is measured beside a switch would be that.
    """
    people = [seller(stack, f"{tag}-{number}", number) for number in range(count)]

    def change(one: Seller) -> None:
        while not stop.wait(one.dice.expovariate(1 / PAUSE)):
            one.change_stock(one.products[0])

    threads = [threading.Thread(target=change, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    broken = [act.evidence for one in people for act in one.operations if act.evidence]
    if broken:
        raise RuntimeError(f"a write failed: {broken[0]}")


def holds(small: Stack, large: Stack, few: int, many: int, scale: Scale) -> Figure:
    """Switches in turn, on the one and on the other; both have writers all the time."""
    held: dict[int, list[float]] = {few: [], many: []}
    with apart(write, small, "small"), apart(write, large, "large"):
        for number in range(scale.of(30, 4)):
            for rows, stack in ((few, small), (many, large)):
                held[rows].append(switch(Moving(stack), number))
    p99 = {rows: percentile(values, 0.99) for rows, values in held.items()}
    for rows, values in held.items():
        scale.say(f"{rows:,} rows: hold p50 {statistics.median(values):.0f} ms, p99 {p99[rows]:.0f} ms")
    name = f"hold p99 at {many:,} rows, against {few:,} rows"
    return Figure(name, p99[many], p99[few], p99[few] / p99[many], 1 / 1.3, "ms")


def switch(moving: Moving, number: int) -> float:
    """There or back; milliseconds that anybody was held."""
    result = moving.give_to(Side.SERVICE if number % 2 == 0 else Side.MONOLITH)
    if result is None or result.switch is None:
        raise RuntimeError("the domain was there already")
    return result.switch.hold_ms


def untouched(stack: Stack, scale: Scale) -> Figure:
    """Requests that touch no table of the catalog, in windows with switches and without, in turn (I9)."""
    one = seller(stack, "reader", 1)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    turn = 0
    with apart(write, stack, "beside"):
        # Four times what a p99 needs: the interval is about the ratio then, not about the count.
        while min(map(len, seconds.values())) < scale.of(20_000, 300):
            turn += 1
            window = len(seconds[turn % 2 == 0]) + scale.of(1000, 100)
            with ExitStack() as during:
                if turn % 2 == 0:
                    during.enter_context(apart(switch_on_and_on, stack))
                while len(seconds[turn % 2 == 0]) < window:
                    began = time.monotonic()
                    one.look_at_self()
                    seconds[turn % 2 == 0].append(time.monotonic() - began)
    p99 = {is_moving: percentile(values, 0.99) for is_moving, values in seconds.items()}
    upper = upper_end(seconds[True], seconds[False])
    with_them, without = p99[True] * 1000, p99[False] * 1000
    scale.say(f"p99 with switches {with_them:.1f} ms, without {without:.1f} ms, ratio at most {upper:.2f}")
    return Figure("requests beside a switch: p99 ratio, upper end of 95 %", upper, 1, 1 / upper, 1 / 1.2, "x")


def switch_on_and_on(begun: Event, stop: Event, stack: Stack) -> None:
    """There and back, each at its time, until told to stop; then the monolith owns."""
    moving, forward = Moving(stack), True
    moving.wait_until_settled()
    begun.set()
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        with suppress(SwitchAborted):  # Taken back: the same once more.
            moving.switch(forward)
            forward = not forward
        due += SWITCH_EVERY
    moving.give_to(Side.MONOLITH)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def upper_end(ours: Sequence[float], against: Sequence[float], rounds: int = 2000) -> float:
    """Of the 95 % bootstrap interval of the ratio of both p99 (percentile method, Efron 1979)."""
    dice = random.Random(1)
    ratios = sorted(
        percentile(dice.choices(ours, k=len(ours)), 0.99) / percentile(dice.choices(against, k=len(against)), 0.99)
        for _ in range(rounds)
    )
    return ratios[int(0.975 * rounds)]
