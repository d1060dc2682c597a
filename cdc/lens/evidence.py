"""What a check of a lens asks a live catalogue: all questions together, not each when it comes up.

The check is run before anything is answered. What is not known yet is taken to be as it should be and noted;
`answer` asks for it, and the check is run again, until it asks nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, DataError, sql
from psycopg.rows import tuple_row

from cdc.asking import ask
from cdc.catalogue import Catalogue
from cdc.projection import Table

_NULL_TOGETHER = """
    select exists (
        select from pg_catalog.pg_constraint
        where conrelid = {oid} and contype = 'c' and convalidated
          and pg_catalog.pg_get_expr(conbin, conrelid) in (
              format('((%I IS NULL) = (%I IS NULL))', {one}::text, {other}::text),
              format('((%I IS NULL) = (%I IS NULL))', {other}::text, {one}::text)))
"""


@dataclass(frozen=True)
class _NullTogether:
    oid: int
    one: str
    other: str

    @property
    def query(self) -> sql.Composed:
        return sql.SQL(_NULL_TOGETHER).format(
            oid=sql.Literal(self.oid), one=sql.Literal(self.one), other=sql.Literal(self.other)
        )


@dataclass(frozen=True)
class _Represents:
    value: str
    type_name: str

    @property
    def query(self) -> sql.Composed:
        return sql.SQL("select {value}::{type}::text = {value}").format(
            value=sql.Literal(self.value), type=sql.SQL(self.type_name)
        )


@dataclass(frozen=True)
class _Excludes:
    """The planner proves from the CHECKs that no row can match; nobody else reads CHECKs reliably."""

    table: Table
    compared: tuple[tuple[str, str, str, str], ...]
    """(column, its type, operator, value)"""

    @property
    def query(self) -> sql.Composed:
        return sql.SQL("explain (format json, costs off) select from {} where {}").format(
            sql.Identifier(self.table.schema, self.table.name),
            sql.SQL(" and ").join(_compared(*one) for one in self.compared),
        )


_Question = _NullTogether | _Represents | _Excludes


class Evidence(Catalogue):
    """One side's catalogue, with what its CHECKs and types prove."""

    def __init__(self, connection: Connection[Any]) -> None:
        super().__init__(connection)
        self._known: dict[_Question, bool] = {}
        self._open: dict[_Question, None] = {}

    def confines(self, table: Table, column: str, values: Sequence[str]) -> bool:
        """The table's CHECKs allow no other values than these (NULL aside)."""
        return self._excludes(table, [(column, "<>", value) for value in values], expected=True)

    def admits(self, table: Table, column: str, value: str) -> bool:
        """No CHECK of the table forbids this value."""
        return self.may_hold(table, {column: value})

    def may_hold(self, table: Table, values: Mapping[str, str]) -> bool:
        """No CHECK of the table forbids a row with all these values (column → value)."""
        return not self._excludes(table, [(column, "=", value) for column, value in values.items()], expected=False)

    def null_together(self, table: Table, one: str, other: str) -> bool:
        """A CHECK says so, in these words: `(one IS NULL) = (other IS NULL)`."""
        return self._is_so(_NullTogether(self.get(table).oid, one, other), expected=True)

    def represents(self, value: str, type_name: str) -> bool:
        """The text is a value of the type and is written there exactly so."""
        # Not until it is known: whatever else is asked of a value fails where it is none.
        return self._is_so(_Represents(value, type_name), expected=False)

    def answer(self) -> bool:
        """Ask the server for all that is not known yet; whether there was any such thing."""
        questions, self._open = list(self._open), {}
        if questions:
            asked = [question.query.as_string(self._connection) for question in questions]
            self._known.update(zip(questions, self._answers(asked), strict=True))
        return bool(questions)

    def _is_so(self, question: _Question, expected: bool) -> bool:
        if question not in self._known:
            self._open[question] = None
        return self._known.get(question, expected)

    def _excludes(self, table: Table, comparisons: Sequence[tuple[str, str, str]], expected: bool) -> bool:
        types = {column: self.get(table).column(column).cast_type for column, _, _ in comparisons}
        compared = tuple((column, types[column], operator, value) for column, operator, value in comparisons)
        return self._is_so(_Excludes(table, compared), expected)

    def _answers(self, questions: Sequence[str]) -> list[bool]:
        try:
            return self._together(questions)
        except DataError:
            return [self._alone(question) for question in questions]

    def _together(self, questions: Sequence[str]) -> list[bool]:
        # Taken back, and with it the locks under which the planner has looked at the tables.
        with self._connection.transaction(force_rollback=True):
            return [_says(*row) for (row,) in ask(self._connection, [_WITH_CHECKS, *questions], tuple_row)]

    def _alone(self, question: str) -> bool:
        """That a text is no value of a type is an answer: it does not represent one."""
        try:
            return self._together([question])[0]
        except DataError:
            return False


_WITH_CHECKS = "set local constraint_exclusion = on"


def _says(found: object) -> bool:
    """A boolean, or the plan of a query: that it need not read anything."""
    return found is True or (isinstance(found, list) and found[0]["Plan"].get("One-Time Filter") == "false")


def _compared(column: str, cast_type: str, operator: str, value: str) -> sql.Composed:
    subject, type_name = sql.Composed([sql.Identifier(column)]), sql.SQL(cast_type)
    if cast_type == "character varying":  # PostgreSQL compares these as text in CHECKs too.
        subject, type_name = subject + sql.SQL("::text"), sql.SQL("text")
    return sql.SQL("{} {} {}::{}").format(subject, sql.SQL(operator), sql.Literal(value), type_name)
