"""What a publisher tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """Where a publisher is. `confirmed` is the source's LSN; `trouble` says why it does not get on, if so."""

    confirmed: int
    published: int
    trouble: str = ""
