"""The monolith's way to begin and end requests, without its databases."""

from __future__ import annotations

import os

from flask import Flask

from legacy_monolith import logs, spans, trace


def create_app() -> Flask:
    app = Flask(__name__)
    logs.init_app(app)
    spans.start("monolith")

    @app.get("/livez")
    def live() -> dict[str, str]:
        return {}

    @app.get("/things/<int:thing>")
    def show(thing: int) -> dict[str, object]:
        """What it would send on with a call."""
        return {"process": os.getpid(), "onward": trace.onward()}

    @app.get("/fails")
    def fail() -> str:
        raise KeyError("a secret of ours")

    return app
