"""The shop as it has always been: one Flask application, one database, its domains entangled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from legacy_monolith import (
    catalog,
    database,
    health,
    identity,
    logs,
    notifications,
    openapi,
    payments,
    problems,
    spans,
    users,
)
from legacy_monolith.settings import settings_from_environment
from legacy_monolith.web import IdConverter


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """The WSGI application; every setting comes from the environment unless it is overridden."""
    app = Flask(__name__, static_folder=None)
    app.config.update(settings_from_environment(overrides or {}))
    # Clients see fields in the order in which the documents list them.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.converters["id"] = IdConverter
    app.url_map.strict_slashes = True
    logs.init_app(app)
    spans.start("monolith")
    problems.init_app(app)
    database.init_app(app)
    identity.init_app(app)
    for part in (health, openapi, users, catalog, payments, notifications):
        part.init_app(app)
    return app
