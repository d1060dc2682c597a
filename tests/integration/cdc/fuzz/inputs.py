"""Inputs that nobody means: real ones with bytes changed, cut, doubled or swapped, and plain noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

LONGEST = 1 << 12
"""Inputs beyond this say nothing new, they only take time."""
EDGES = (b"\x00", b"\xff", b"\x00\x00", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00")
"""Counts and lengths where something might turn over."""


def inputs(seed: int, count: int, real: Sequence[bytes], noise: bytes) -> Iterator[bytes]:
    """`count` inputs, the same for the same seed. `noise`: bytes that have a meaning somewhere in real inputs."""
    chance = Random(seed)
    for _ in range(count):
        if chance.random() < 0.15:
            yield bytes(chance.choices(noise, k=chance.randrange(60)))
            continue
        data = bytearray(chance.choice(real))
        for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
            _damage(chance, data, real)
        yield bytes(data[:LONGEST])


def _damage(chance: Random, data: bytearray, real: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    match chance.randrange(7):
        case 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        case 1 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            del data[at : at + chance.choice([1, 2, 4, 100])]
        case 3:
            del data[at:]
        case 4:
            edge = chance.choice(EDGES)
            data[at : at + len(edge)] = edge
        case 5:
            other = chance.choice(real)
            start = chance.randrange(len(other) + 1)
            data[at:at] = other[start : start + chance.randrange(40)]
        case _:
            data[at:at] = data[at : at + chance.randrange(40)]
