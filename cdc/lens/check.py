"""A lens against both live catalogues: does every row have exactly one image, there and back?

Checked both ways, whatever the direction of the moment, because the same lens carries the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdc.catalogue import LiveColumn, LiveTable
from cdc.lens.check_pivot import check_labels
from cdc.lens.combinators import Cast, Constant, Enum, Flags, Rename, Scale
from cdc.lens.evidence import Evidence
from cdc.lens.mapping import Mapped, ServiceTable, TableLens
from cdc.lens.spot import Spot
from cdc.lens.types import SqlType


@dataclass(frozen=True)
class LensProblem:
    """One reason why this lens cannot be used with these schemas."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def check_table(lens: TableLens, monolith: Evidence, service: Evidence) -> Iterator[LensProblem]:
    """Everything that is wrong with one monolith table and its service tables."""
    source = monolith.find(lens.monolith)
    if source is None:
        yield LensProblem(str(lens.monolith), "does not exist on the monolith's side")
    else:
        yield from _named(str(lens.monolith), _monolith_side(lens, source, monolith))
    for part in lens.service:
        where = f"{lens.monolith} → {part.table}"
        target = service.find(part.table)
        if target is None:
            yield LensProblem(where, "does not exist on the service's side")
            continue
        yield from _named(where, _service_side(lens, part, target))
        if source is not None:
            yield from _columns(where, lens, part, (monolith, source), (service, target))
    for table in dict.fromkeys(part.table for part in lens.service if part.labels):
        if (live := service.find(table)) is not None:
            labels = [dict(part.labels) for part in lens.service if part.table == table]
            yield from _named(f"{lens.monolith} → {table}.pivot", check_labels(labels, live, service))


def _named(where: str, problems: Iterator[str]) -> Iterator[LensProblem]:
    return (LensProblem(where, problem) for problem in problems)


def _monolith_side(lens: TableLens, live: LiveTable, catalogue: Evidence) -> Iterator[str]:
    yield from _key(live, lens.key)
    used = {c for part in lens.service for m in part.columns for c in m.combinator.columns}
    yield from _coverage(live, used | {name for name, _ in lens.monolith_only})
    for part in lens.service:
        yield from _optional(part, live, catalogue)
    for name, constant in lens.monolith_only:
        if name in live.columns:
            spot = Spot(catalogue, live.table, live.columns[name])
            yield from (f"{name}: {problem}" for problem in _constant(constant, spot))


def _service_side(lens: TableLens, part: ServiceTable, live: LiveTable) -> Iterator[str]:
    yield from _key(live, (*(service for _, service in part.key(lens.key)), *(name for name, _ in part.labels)))
    yield from _coverage(live, {mapped.service for mapped in part.columns})


def _key(live: LiveTable, key: tuple[str, ...]) -> Iterator[str]:
    if not live.primary_key:
        yield f"{live.table} has no primary key"
    elif set(live.primary_key) != set(key):
        yield (
            f"the key of the lens is ({', '.join(key)}), the primary key of {live.table} is"
            f" ({', '.join(live.primary_key)})"
        )


def _coverage(live: LiveTable, used: set[str]) -> Iterator[str]:
    """Each column exactly once; generated ones not at all, both sides compute their own."""
    for name in sorted(used - set(live.columns)):
        yield f"{live.table} has no column {name}"
    for name, column in live.columns.items():
        if column.generated and name in used:
            yield f"{name} of {live.table} is generated; nobody can write it"
        elif not column.generated and name not in used:
            yield f"{name} of {live.table} is not mapped"


def _columns(
    where: str,
    lens: TableLens,
    part: ServiceTable,
    monolith: tuple[Evidence, LiveTable],
    service: tuple[Evidence, LiveTable],
) -> Iterator[LensProblem]:
    discriminators = [name for name, _ in part.labels]
    for mapped in part.columns:
        names = mapped.combinator.columns
        if mapped.service in discriminators:
            continue  # No constants of the table, only of a slice: `check_labels` is about them.
        if mapped.service not in service[1].columns or any(name not in monolith[1].columns for name in names):
            continue  # Named by the coverage already.
        target = Spot(service[0], part.table, service[1].columns[mapped.service])
        sources = tuple(Spot(monolith[0], lens.monolith, monolith[1].columns[name]) for name in names)
        yield from _named(f"{where}.{mapped.service}", _column(mapped, sources, target, part.only_with is not None))


def _optional(part: ServiceTable, live: LiveTable, catalogue: Evidence) -> Iterator[str]:
    """An optional part's columns are NULL together, or one of them would be lost with the row."""
    columns = [column for m in part.columns if m.absent for column in m.combinator.columns]
    for column in columns if part.only_with in live.columns else ():
        if column == part.only_with or column not in live.columns:
            continue
        if not catalogue.null_together(live.table, column, part.only_with or ""):
            yield (
                f"not total: {column} may have a value while there is no row of {part.table}; add CHECK"
                f" (({part.only_with} IS NULL) = ({column} IS NULL))"
            )


def _column(mapped: Mapped, sources: tuple[Spot, ...], target: Spot, is_optional: bool) -> Iterator[str]:
    match mapped.combinator:
        case Rename():
            yield from _rename(sources[0], target)
        case Cast(to=to, back=back):
            yield from _type(sources[0].live, back)
            yield from _type(target.live, to)
        case Scale(digits=digits):
            yield from _scale(sources[0].live, target.live, digits)
        case Enum(values=values):
            yield from sources[0].refuses(tuple(values))
            yield from target.refuses(tuple(values.values()))
        case Flags(values=values):
            yield from _flags(sources, target)
            yield from target.refuses(tuple(values.values()))
        case Constant() as constant:
            yield from _constant(constant, target)
    if is_optional and mapped.absent and target.live.nullable:
        yield f"not invertible: {target.live.name} may be NULL in a row, which would say that there is none"
    if len(sources) == 1 and not (is_optional and mapped.absent):
        yield from _nullability(sources[0].live, target.live)
    for source, absent in zip(sources, mapped.absent, strict=False):
        yield from _absent(source, absent, mapped.service)


def _rename(source: Spot, target: Spot) -> Iterator[str]:
    if source.live.labels or target.live.labels:
        if sorted(source.live.labels) != sorted(target.live.labels):
            yield f"{source.live.name} and {target.live.name} do not have the same labels: use enum"
    elif SqlType.parse(source.live.type) != SqlType.parse(target.live.type):
        yield f"{source.live.name} is {source.live.type}, {target.live.name} is {target.live.type}: use cast"


def _type(live: LiveColumn, said: SqlType) -> Iterator[str]:
    if SqlType.parse(live.type) != said:
        yield f"{live.name} is {live.type}, the lens says {said}"


def _scale(source: LiveColumn, target: LiveColumn, digits: int) -> Iterator[str]:
    kind = SqlType.parse(source.type)
    if kind.name != "numeric" or kind.scale is None:
        yield f"{source.name} is {source.type}; scale needs numeric with a fixed number of digits after the point"
    elif kind.scale != digits:
        what = "lossy" if kind.scale > digits else "not invertible"
        yield f"{what}: {source.name} has {kind.scale} digits after the point, `by` stands for {digits}"
    if target.cast_type != "bigint":
        yield f"{target.name} is {target.type}; scale needs bigint"


def _flags(sources: tuple[Spot, ...], target: Spot) -> Iterator[str]:
    for source in sources:
        if source.live.cast_type != "boolean":
            yield f"{source.live.name} is {source.live.type}, no boolean"
        if source.live.nullable:
            yield f"not total: the flag {source.live.name} may be NULL"
    if target.live.nullable:
        yield f"not invertible: {target.live.name} may be NULL, the flags may not"


def _constant(constant: Constant, spot: Spot) -> Iterator[str]:
    name, value = spot.live.name, constant.value
    if spot.live.nullable:
        yield f'not invertible: {name} may be NULL instead of "{value}"; make it NOT NULL'
    if spot.live.labels and value not in spot.live.labels:
        yield f'{name} knows no label "{value}"'
    elif not spot.catalogue.represents(value, spot.live.type):
        yield f'"{value}" is not how {spot.live.type} writes a value'
    elif not spot.catalogue.confines(spot.table, name, [value]):
        yield f"not invertible: {name} may hold other values; add CHECK ({name} = '{value}')"
    elif not spot.catalogue.admits(spot.table, name, value):
        yield f'a CHECK forbids "{value}" in {name}'


def _nullability(source: LiveColumn, target: LiveColumn) -> Iterator[str]:
    if source.nullable and not target.nullable:
        yield f"not total: {source.name} may be NULL, {target.name} may not"
    if target.nullable and not source.nullable:
        yield f"not invertible: {target.name} may be NULL, {source.name} may not"


def _absent(source: Spot, absent: str | None, service: str) -> Iterator[str]:
    name = source.live.name
    if absent is None:
        if not source.live.nullable:
            yield f"{name} needs a value while the part has no row: `{service}: {{…: {name}, absent: value}}`"
    elif not source.catalogue.represents(absent, source.live.type):
        yield f'`absent`: "{absent}" is not how {source.live.type} writes a value'
    elif not source.catalogue.admits(source.table, name, absent):
        yield f'`absent`: a CHECK forbids "{absent}" in {name}'
