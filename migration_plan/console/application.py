"""The Flask application: settings, headers, the parts that pages work with, and what an error looks like."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
from flask import Flask, Response, current_app, render_template
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from cdc.errors import CdcError
from cdc.masking import of_database
from migration_plan import bootstrap, settings
from migration_plan.console.entry import Throttle, Tickets
from migration_plan.console.live import Lookout
from migration_plan.console.runs import Runs
from migration_plan.console.standings import Standings
from migration_plan.console.wording import FILTERS
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.journal import Journal
from migration_plan.terminal import Underlying
from proxy.client import ProxyClient
from proxy.errors import ProxyError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_STATUS = {Exit.FORBIDDEN: 403, Exit.NOT_MEANT: 404, Exit.JOURNAL_AWAY: 503, Exit.SIDE_AWAY: 503}
PATIENCE = 1.0
"""Seconds for a proxy's answer: pages wait for it."""


@dataclass(frozen=True)
class Desk:
    """What pages work with."""

    environment: Mapping[str, str]
    journal: Journal
    lookout: Lookout
    tickets: Tickets
    throttle: Throttle
    standings: Standings
    runs: Runs


def desk() -> Desk:
    """The one of this application."""
    found: Desk = current_app.extensions["fig"]
    return found


def create_app(environment: Mapping[str, str] = os.environ) -> Flask:
    """For gunicorn; nothing is connected before it is used."""
    from migration_plan.console import acting, domain, entering, events, overview

    url = urlsplit(environment["FIG_CONSOLE_URL"])
    app = Flask(__name__, static_url_path="/static")
    app.config.update(
        SECRET_KEY=environment["FIG_CONSOLE_KEY"],
        SESSION_COOKIE_NAME="fig_console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=url.scheme == "https",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        FIG_HOST=url.hostname,
        MAX_CONTENT_LENGTH=64 * 1024,
        WTF_CSRF_TIME_LIMIT=None,  # As long as the session.
    )
    CSRFProtect(app)
    app.jinja_env.filters.update(FILTERS)
    app.extensions["fig"] = _desk(environment)
    app.after_request(_headers)
    app.register_error_handler(FigError, _fig_error)
    app.register_error_handler(CdcError, lambda error: _fig_error(Underlying(error)))
    app.register_error_handler(ProxyError, lambda error: _fig_error(Underlying(error)))
    app.register_error_handler(psycopg.Error, _database_error)
    app.register_error_handler(CSRFError, _forgotten)
    app.register_error_handler(HTTPException, _http_error)
    app.register_blueprint(entering.pages)
    app.register_blueprint(overview.pages)
    app.register_blueprint(events.pages)
    app.register_blueprint(domain.pages)
    app.register_blueprint(acting.pages)
    return app


def _desk(environment: Mapping[str, str]) -> Desk:
    said = settings.load(environment)
    proxies = [ProxyClient(one.name, one.admin_socket, PATIENCE) for one in said.proxies]
    return Desk(
        environment,
        Journal(said.journal.dsn),
        Lookout(bootstrap.all_parts(environment), proxies),
        Tickets(environment["FIG_CONSOLE_KEY"]),
        Throttle(),
        Standings(bootstrap.all_parts(environment)),
        Runs(environment),
    )


def _headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if response.mimetype in ("text/html", "text/event-stream"):
        response.headers["Cache-Control"] = "no-store"
    return response


def trouble(message: str, next_step: str, status: int, title: str = "That did not work") -> tuple[str, int]:
    """A page that says what is the matter and what to do."""
    return render_template("trouble.html", title=title, message=message, next_step=next_step), status


def _fig_error(error: FigError) -> tuple[str, int]:
    return trouble(error.message, error.next_step, _STATUS.get(Exit(error.exit_code), 409))


def _database_error(error: psycopg.Error) -> tuple[str, int]:
    return trouble(f"a database refused what fig asked of it: {of_database(error)}", "fig status", 503)


def _forgotten(error: CSRFError) -> tuple[str, int]:
    del error
    return trouble("This page was too old to be sent; nothing was done.", "load it again, then send it", 400)


def _http_error(error: HTTPException) -> tuple[str, int] | Response:
    if error.code is None or error.code < 400:
        answer: Response = error.get_response()  # type: ignore[assignment]
        return answer
    return trouble(error.description or "", "go back to the overview", error.code, title=error.name)
