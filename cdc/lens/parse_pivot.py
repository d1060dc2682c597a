"""A `pivot`: n columns of one monolith row as n service rows, told apart by discriminators in their key. No IO.

    public.preference_owner: {user_id: user_id, updated_at: updated_at}
    public.preference:
      user_id: user_id
      pivot:
        rows:
          email_orders: {channel: email, topic: orders, absent: true}
          sms_orders: {channel: sms, topic: orders, absent: false}
        value: enabled

reads: the monolith's `email_orders` is `enabled` of the row with the same key, channel `email` and topic `orders`.
All values have the same type on both sides. `absent` is what the monolith has while that row does not exist.

- The monolith's row comes and goes with the first service table's row, so a pivot is never the first one, and what
  else the monolith's row has is carried there: a column of the pivoted table would have n values for one.
- While the monolith owns, each of its rows has all n service rows. A service that owns may write them one by one and
  delete some; a row that is missing for long is a difference, named by verification, as with every part.
- A service row with other discriminators has no place in the monolith: a CHECK or an enum has to rule it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from cdc.lens.combinators import Constant, Rename
from cdc.lens.mapping import Mapped, ServiceTable
from cdc.lens.words import Wrong, column_name, plain_text
from cdc.projection import Labels

PIVOT = "pivot"
_ABSENT = "absent"


def is_pivot(columns: Mapping[str, Any]) -> bool:
    """Whether `pivot` is meant as such; a service column may have that name, too."""
    entry = columns.get(PIVOT)
    return isinstance(entry, dict) and not entry.keys().isdisjoint({"rows", "value"})


def slices(
    part: ServiceTable, entry: Mapping[str, Any], key: tuple[str, ...], is_part: bool, problems: list[str]
) -> tuple[ServiceTable, ...]:
    """One slice for each row of the pivot; `part` is what all of them share. Notes what is wrong in `problems`."""
    if not is_part:
        problems.append("the first service table cannot be pivoted: its row is the monolith's row")
    if part.only_with is not None:
        problems.append("a pivoted table cannot be optional: each of its rows says NULL for itself")
    strangers = [mapped for mapped in part.columns if not _is_shared(mapped, key)]
    problems += [f"{m.service} would have n values for one: map it in another service table" for m in strangers]
    shared = replace(part, columns=tuple(mapped for mapped in part.columns if mapped not in strangers))
    try:
        value, rows = _words(entry)
    except Wrong as error:
        problems.append(str(error))
        return ()
    made = []
    for column, written_as in rows.items():
        try:
            made.append(_slice(shared, value, column_name(column), written_as))
        except Wrong as error:
            problems.append(f"{column}: {error}")
    problems += _clashes(made)
    return tuple(made)


def _words(entry: Mapping[str, Any]) -> tuple[str, Mapping[Any, Any]]:
    unknown = sorted(set(map(str, entry)) - {"rows", "value"})
    if unknown:
        raise Wrong(f"unknown key `{unknown[0]}`")
    if not isinstance(entry.get("rows"), dict) or not entry["rows"]:
        raise Wrong("`rows` is `monolith column: {discriminator: label}`")
    return column_name(entry.get("value")), entry["rows"]


def _slice(part: ServiceTable, value: str, column: str, written_as: object) -> ServiceTable:
    if not isinstance(written_as, dict):
        raise Wrong("needs discriminators, `{discriminator: label}`")
    labels = tuple((column_name(name), _label(label)) for name, label in written_as.items() if name != _ABSENT)
    if not labels:
        raise Wrong("needs discriminators, `{discriminator: label}`")
    taken = {mapped.service for mapped in part.columns}
    for name in [value, *(name for name, _ in labels)]:
        if name in taken:
            raise Wrong(f"{name} is mapped already")
        taken.add(name)
    absent = written_as.get(_ABSENT)
    filled = Mapped(value, Rename(column), (None if absent is None else plain_text(absent),))
    constants = tuple(Mapped(name, Constant(label)) for name, label in labels)
    return ServiceTable(part.table, (*part.columns, *constants, filled), labels=labels)


def _label(label: object) -> str:
    if not isinstance(label, str):
        raise Wrong(f"the label {label!r} is no text: write it in quotes")
    return label


def _is_shared(mapped: Mapped, key: tuple[str, ...]) -> bool:
    """The same in all n rows, so that it comes back as it was."""
    is_key = isinstance(mapped.combinator, Rename) and mapped.combinator.column in key
    return is_key or isinstance(mapped.combinator, Constant)


def _clashes(made: list[ServiceTable]) -> Iterator[str]:
    """Every slice has the same discriminators, and other labels than every other one."""
    seen: dict[Labels, str] = {}
    for one in made:
        column = one.columns[-1].combinator.columns[0]
        labels = tuple(sorted(one.labels))
        names, others = ([name for name, _ in pairs] for pairs in (labels, sorted(made[0].labels)))
        if names != others:
            yield f"{column} has the discriminators {', '.join(names)}, others have {', '.join(others)}"
        if labels in seen:
            yield f"not invertible: {seen[labels]} and {column} would be the same row"
        seen[labels] = column
