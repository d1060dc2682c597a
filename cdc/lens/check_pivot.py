"""The labels of a pivoted table against the live catalogue: its rows are those of the pivot, and no others can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from cdc.catalogue import LiveTable
from cdc.lens.evidence import Evidence
from cdc.lens.spot import Spot

_TYPES = ("text", "character varying")


def check_labels(labels: Sequence[Mapping[str, str]], live: LiveTable, catalogue: Evidence) -> Iterator[str]:
    """`labels` has one mapping of discriminators for each row of the pivot."""
    names = [name for name in labels[0] if name in live.columns]  # What is missing is named by the coverage.
    values = {name: tuple(dict.fromkeys(one[name] for one in labels)) for name in names}
    problems = [problem for name in names for problem in _discriminator(values[name], name, live, catalogue)]
    yield from problems
    if problems or len(names) < len(labels[0]):
        return
    for combination in product(*values.values()):
        one = dict(zip(names, combination, strict=True))
        if one in labels and not catalogue.may_hold(live.table, one):
            yield f"not invertible: a CHECK forbids a row with {_written(one)}"
        elif one not in labels and catalogue.may_hold(live.table, one):
            condition = " and ".join(f"{name} = '{value}'" for name, value in one.items())
            yield f"not total: {live.table} may have a row with {_written(one)}; add CHECK (not ({condition}))"


def _discriminator(values: tuple[str, ...], name: str, live: LiveTable, catalogue: Evidence) -> Iterator[str]:
    column = live.columns[name]
    if not column.labels and column.cast_type not in _TYPES:
        yield f"{name} is {column.type}; a discriminator is an enum, text or varchar"
    else:
        yield from Spot(catalogue, live.table, column).refuses(values)


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name} "{value}"' for name, value in labels.items())
