"""The OpenAPI documents, one for each domain."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml
from flask import Blueprint, Flask, Response, json

from legacy_monolith.errors import NotFound

DOMAINS = ("users", "catalog", "payments", "notifications")


def document(domain: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((files(__package__) / f"{domain}.yml").read_text())
    return content


def init_app(app: Flask) -> None:
    bp = Blueprint("openapi", __name__)
    served = {domain: json.dumps(document(domain)) for domain in DOMAINS}

    @bp.get("/api/<domain>/openapi.json")
    def openapi(domain: str) -> Response:
        if domain not in served:
            raise NotFound(f"There is no domain {domain}.")
        return Response(served[domain], mimetype="application/json")

    app.register_blueprint(bp)
