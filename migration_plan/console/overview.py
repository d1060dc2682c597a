"""The first page: the map, and a card for each domain."""

from __future__ import annotations

from flask import Blueprint, render_template

from migration_plan.console.desk import desk
from migration_plan.console.live import EVERY
from migration_plan.console.tree import grow

pages = Blueprint("overview", __name__)


@pages.get("/")
def show() -> str:
    """The map and the cards, as they are now."""
    return render_template("overview.html", **_seen())


def fragments() -> dict[str, str]:
    """What of the page changes, by the id of its element."""
    seen = _seen()
    return {
        "map": render_template("parts/map.html", **seen),
        "cards": render_template("parts/cards.html", **seen),
    }


def _seen() -> dict[str, object]:
    found = list(desk().lookout.now(EVERY * 0.9).values())
    return {"domains": found, "tree": grow([(one.domain, one.stage) for one in found])}
