"""What the console shows of an error: what is the matter, and what to do."""

from __future__ import annotations

import psycopg
from flask import Response, render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from cdc.masking import of_database
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit

_STATUS = {Exit.FORBIDDEN: 403, Exit.NOT_MEANT: 404, Exit.JOURNAL_AWAY: 503, Exit.SIDE_AWAY: 503}


def trouble(message: str, next_step: str, status: int, title: str = "That did not work") -> tuple[str, int]:
    """A page that says what is the matter and what to do."""
    return render_template("trouble.html", title=title, message=message, next_step=next_step), status


def fig_error(error: FigError) -> tuple[str, int]:
    return trouble(error.message, error.next_step, _STATUS.get(Exit(error.exit_code), 409))


def database_error(error: psycopg.Error) -> tuple[str, int]:
    return trouble(f"a database refused what fig asked of it: {of_database(error)}", "fig status", 503)


def forgotten(error: CSRFError) -> tuple[str, int]:
    del error
    return trouble("This page was too old to be sent; nothing was done.", "load it again, then send it", 400)


def http_error(error: HTTPException) -> tuple[str, int] | Response:
    if error.code is None or error.code < 400:
        answer: Response = error.get_response()  # type: ignore[assignment]
        return answer
    return trouble(error.description or "", "go back to the overview", error.code, title=error.name)
