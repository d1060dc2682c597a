"""The Flask application: its settings, its headers, and which page is where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
from flask import Flask, Response
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from cdc.errors import CdcError
from migration_plan.console import acting, domain, entering, events, overview, trouble
from migration_plan.console.desk import furnish
from migration_plan.console.wording import FILTERS
from migration_plan.errors import FigError
from migration_plan.terminal import Underlying
from proxy.errors import ProxyError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def create_app(environment: Mapping[str, str] = os.environ) -> Flask:
    """For gunicorn; nothing is connected before it is used."""
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
    app.extensions["fig"] = furnish(environment)
    app.after_request(_headers)
    app.register_error_handler(FigError, trouble.fig_error)
    app.register_error_handler(CdcError, lambda error: trouble.fig_error(Underlying(error)))
    app.register_error_handler(ProxyError, lambda error: trouble.fig_error(Underlying(error)))
    app.register_error_handler(psycopg.Error, trouble.database_error)
    app.register_error_handler(CSRFError, trouble.forgotten)
    app.register_error_handler(HTTPException, trouble.http_error)
    app.register_blueprint(entering.pages)
    app.register_blueprint(overview.pages)
    app.register_blueprint(events.pages)
    app.register_blueprint(domain.pages)
    app.register_blueprint(acting.pages)
    return app


def _headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if response.mimetype in ("text/html", "text/event-stream"):
        response.headers["Cache-Control"] = "no-store"
    return response
