"""The `tables` part of a plan file → table lenses; says everything that is wrong at once. No IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cdc.lens.combinators import Cast, Combinator, Constant, Enum, Flags, Rename, Scale, written
from cdc.lens.mapping import Mapped, ServiceTable, TableLens
from cdc.lens.parse_pivot import PIVOT, is_pivot, slices
from cdc.lens.types import LOSSLESS, SqlType, is_lossless
from cdc.lens.words import Wrong, column_name, plain_text
from cdc.projection import Table


class Parser:
    """Reads plain dictionaries; `problems` fills up on the way."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def tables(self, entries: Iterable[object]) -> tuple[TableLens, ...]:
        found = [lens for entry in entries if (lens := self._table(entry)) is not None]
        if not found and not self.problems:
            self.problems.append("tables: no table is named")
        self._once("monolith table", [lens.monolith for lens in found])
        self._once("service table", [table for lens in found for table in {part.table for part in lens.service}])
        return tuple(found)

    def _once(self, what: str, names: Iterable[object]) -> None:
        self.problems += [f"{what} {name} is mapped {n} times" for name, n in Counter(names).items() if n > 1]

    def _table(self, entry: object) -> TableLens | None:
        if not isinstance(entry, dict) or not isinstance(entry.get("service"), dict) or not entry["service"]:
            self.problems.append(
                f"{entry!r}: a table needs `monolith: schema.table` and `service: {{schema.table: columns}}`"
            )
            return None
        monolith = self._name(entry.get("monolith"))
        unknown = set(map(str, entry)) - {"monolith", "service", "key", "monolith_only", "optional"}
        self.problems += [f"{monolith}: unknown key `{key}`" for key in sorted(unknown)]
        key = entry.get("key", ["id"])
        if not isinstance(key, list) or not key or not all(isinstance(column, str) for column in key):
            self.problems.append(f"{monolith}: `key` is a list of the primary key's columns")
            return None
        optional = self._optional(monolith, entry)
        parts = [self._parts(f"{monolith} → {name}", self._name(name), columns, tuple(key), number > 0,
                             optional.get(name))
                 for number, (name, columns) in enumerate(entry["service"].items())]  # fmt: skip
        if monolith is None or None in parts:
            return None
        lens = TableLens(monolith, tuple(key), tuple(part for table in parts for part in table or ()),
                         self._monolith_only(monolith, entry.get("monolith_only", {})))  # fmt: skip
        self._check_uses(lens)
        return lens

    def _name(self, text: object) -> Table | None:
        try:
            return Table.parse(str(text))
        except ValueError as error:
            self.problems.append(str(error))
            return None

    def _parts(
        self, where: str, table: Table | None, columns: object, key: tuple[str, ...], is_part: bool,
        only_with: str | None,
    ) -> tuple[ServiceTable, ...] | None:  # fmt: skip
        """One service table; several slices of it, if it is pivoted."""
        if not isinstance(columns, dict) or not columns:
            self.problems.append(f"{where}: needs columns, `service column: monolith column`")
            return None
        pivot = columns[PIVOT] if is_pivot(columns) else None
        mapped = []
        for name, written_as in columns.items():
            if name == PIVOT and pivot is not None:
                continue
            try:
                mapped.append(_mapped(name, written_as, key, is_part))
            except Wrong as error:
                self.problems.append(f"{where}.{name}: {error}")
        if table is None:
            return None
        part = ServiceTable(table, tuple(mapped), only_with=only_with)
        missing = set(key) - {monolith for monolith, _ in part.key(key)}
        self.problems += [
            f"{where}: key column {column} must be mapped by rename (`key` names them)" for column in sorted(missing)
        ]
        if pivot is None:
            return (part,)
        found = ["`optional` and a pivot do not go together"] if only_with else []
        made = slices(part, pivot, key, is_part, found)
        self.problems += [f"{where}.{PIVOT}: {problem}" for problem in found]
        return made

    def _optional(self, monolith: Table | None, entry: Mapping[str, Any]) -> dict[object, str]:
        """The parts whose rows exist only while a column of the monolith's row is not NULL."""
        said = entry.get("optional", {})
        if not isinstance(said, dict) or not all(isinstance(column, str) for column in said.values()):
            self.problems.append(f"{monolith}: `optional` is `service table: monolith column`")
            return {}
        _, *parts = entry["service"]
        self.problems += [
            f"{monolith}: `optional` names {name}, which is no part" for name in said if name not in parts
        ]
        return {name: column for name, column in said.items() if name in parts}

    def _monolith_only(self, monolith: Table, entry: object) -> tuple[tuple[str, Constant], ...]:
        if not isinstance(entry, dict):
            self.problems.append(f"{monolith}: `monolith_only` is `column: {{constant: value}}`")
            return ()
        found = []
        for name, written_as in entry.items():
            try:
                combinator = _combinator(written_as)
                if not isinstance(combinator, Constant):
                    raise Wrong("only a constant can exist on the monolith's side alone")
                found.append((column_name(name), combinator))
            except Wrong as error:
                self.problems.append(f"{monolith}.{name}: {error}")
        return tuple(found)

    def _check_uses(self, lens: TableLens) -> None:
        """Each monolith column once; the key once in each table."""
        for number, part in enumerate(lens.service):
            keys = [column for m in part.columns for column in m.combinator.columns if column in lens.key]
            self._once(f"{lens.monolith} → {part.table}: key column", keys)
            if number > 0 and len(part.columns) == len(keys):
                self.problems.append(f"{lens.monolith} → {part.table}: a part needs columns besides the key")
            if part.only_with is not None:
                self._check_optional(f"{lens.monolith} → {part.table}", part, lens.key)
        others = [c for part in lens.service for m in part.columns for c in m.combinator.columns if c not in lens.key]
        self._once(f"{lens.monolith}: column", [*others, *(name for name, _ in lens.monolith_only)])

    def _check_optional(self, where: str, part: ServiceTable, key: tuple[str, ...]) -> None:
        """NULL is what says that there is no row; no other value may."""
        others = [m for m in part.columns if m.combinator.columns and not set(m.combinator.columns) & set(key)]
        if part.only_with not in {column for m in others for column in m.combinator.columns}:
            self.problems.append(f"{where}: `optional` names {part.only_with}, which is none of its columns")
        self.problems += [
            f"{where}.{m.service}: `absent` is NULL where a row is optional" for m in others if any(m.absent)
        ]


def _mapped(name: object, entry: object, key: tuple[str, ...], is_part: bool) -> Mapped:
    service = column_name(name)
    if not isinstance(entry, dict) or "absent" not in entry:
        combinator = _combinator(entry)
        is_key = isinstance(combinator, Rename) and combinator.column in key
        return Mapped(service, combinator, (None,) * len(combinator.columns) if is_part and not is_key else ())
    rest = {word: value for word, value in entry.items() if word != "absent"}
    combinator = _combinator(rest)
    if not is_part or not combinator.columns or set(combinator.columns) & set(key):
        raise Wrong("`absent` belongs to a part's columns, besides its key")
    absent = entry["absent"]
    values = (
        (None,)
        if absent is None
        else tuple(plain_text(absent).split(","))
        if isinstance(combinator, Flags)
        else (plain_text(absent),)
    )
    if len(values) != len(combinator.columns):
        raise Wrong(f"`absent` needs {len(combinator.columns)} values")
    return Mapped(service, combinator, values)


def _combinator(entry: object) -> Combinator:
    if isinstance(entry, str):
        return Rename(column_name(entry))
    if not isinstance(entry, dict):
        raise Wrong(f"{entry!r} is neither a monolith column nor a combinator")
    named = [word for word in _COMBINATORS if word in entry]
    if len(named) != 1:
        raise Wrong(
            f"needs exactly one combinator ({', '.join(_COMBINATORS)}), has {', '.join(map(str, entry)) or 'none'}"
        )
    build, words = _COMBINATORS[named[0]]
    unknown = sorted(set(map(str, entry)) - {named[0], *words})
    missing = sorted(set(words) - set(entry))
    if unknown or missing:
        raise Wrong(
            "; ".join([f"unknown key `{word}`" for word in unknown] + [f"`{word}` is missing" for word in missing])
        )
    return build(entry)


def _cast(entry: Mapping[str, Any]) -> Cast:
    to, back = SqlType.parse(plain_text(entry["to"])), SqlType.parse(plain_text(entry["back"]))
    if not is_lossless(back, to):
        raise Wrong(f"cast {back} ↔ {to} can lose values; these cannot: {LOSSLESS}")
    return Cast(column_name(entry["cast"]), to, back)


def _scale(entry: Mapping[str, Any]) -> Scale:
    powers = [10**digits for digits in range(1, 19)]
    if entry["by"] not in powers:
        raise Wrong(f"`by` is a power of ten from 10 on, not {entry['by']!r}")
    return Scale(column_name(entry["scale"]), powers.index(entry["by"]) + 1)


def _enum(entry: Mapping[str, Any]) -> Enum:
    return Enum(column_name(entry["enum"]), _values(entry["values"]))


def _flags(entry: Mapping[str, Any]) -> Flags:
    if not isinstance(entry["flags"], list) or not entry["flags"]:
        raise Wrong("`flags` is a list of boolean columns")
    columns = tuple(column_name(name) for name in entry["flags"])
    values = _values(entry["values"])
    count = len(columns)
    states = [tuple(bool(number >> bit & 1) for bit in reversed(range(count))) for number in range(2**count)]
    names = {written(state): state for state in states}
    unknown = sorted(set(values) - set(names))
    missing = sorted(set(names) - set(values))
    if unknown:
        raise Wrong(f'"{unknown[0]}" is not a state of {count} flags, such as "{written(states[0])}"')
    if missing:
        raise Wrong(f'not total: the state "{missing[0]}" has no value')
    return Flags(columns, {names[name]: label for name, label in values.items()})


def _values(entry: object) -> dict[str, str]:
    if not isinstance(entry, dict) or not entry:
        raise Wrong("`values` is `monolith value: service value`")
    for value in [*entry, *entry.values()]:
        if not isinstance(value, str):
            raise Wrong(f"the value {value!r} is no text: write it in quotes")
    twice = [value for value, n in Counter(entry.values()).items() if n > 1]
    if twice:
        raise Wrong(f'not invertible: two values become "{twice[0]}"')
    return dict(entry)


def _constant(entry: Mapping[str, Any]) -> Constant:
    return Constant(plain_text(entry["constant"]))


_COMBINATORS: dict[str, tuple[Callable[[Mapping[str, Any]], Combinator], tuple[str, ...]]] = {
    "rename": (lambda entry: Rename(column_name(entry["rename"])), ()),
    "cast": (_cast, ("to", "back")),
    "scale": (_scale, ("by",)),
    "enum": (_enum, ("values",)),
    "flags": (_flags, ("values",)),
    "constant": (_constant, ()),
}
