"""What is said of a row in logs, journal and reports: where it is, never what is in it."""

from __future__ import annotations

import pytest
from psycopg import errors

from cdc.comparing.difference import Difference, Kind, without_values
from cdc.masking import said
from cdc.projection import Table

SECRET = "ann@example.org"


@pytest.mark.parametrize(
    "error",
    [
        errors.UniqueViolation(f"duplicate key\nDETAIL:  Key (email)=({SECRET}) already exists."),
        errors.InvalidTextRepresentation(f'invalid input syntax for type integer: "{SECRET}"'),
        errors.CheckViolation(f"new row violates check\nDETAIL:  Failing row contains ({SECRET})."),
        errors.RaiseException(SECRET),
        ValueError(SECRET),
    ],
)
def test_an_error_with_a_value_is_told_by_its_kind(error: Exception) -> None:
    told = said(error)
    assert SECRET not in told
    assert type(error).__name__ in told


def test_an_error_of_the_server_is_told_as_it_is() -> None:
    assert (
        said(errors.InsufficientPrivilege("permission denied for table users")) == "permission denied for table users"
    )
    assert said(errors.OperationalError("connection refused\nmore")) == "connection refused"


def test_a_difference_keeps_its_place_and_loses_its_values() -> None:
    found = Difference(Table("public", "person"), (("id", "7"), ("email", SECRET)), "phone", Kind.DIFFERS, SECRET, None)
    hidden = without_values(found, ["public.person.email"])
    assert SECRET not in str(hidden)
    assert SECRET not in str(hidden.as_json())
    assert dict(hidden.key) == {"id": "7", "email": "***"}
    assert (hidden.source, hidden.target) == ("***", None)
    assert dict(without_values(found).key)["email"] == SECRET, "keys stay, unless the plan calls them personal"
