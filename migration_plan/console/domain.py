"""The page of one domain: where it is, what is between it and its next stage, what was done, and the buttons."""

from __future__ import annotations

from flask import Blueprint, Response, g, render_template

from migration_plan.bootstrap import UnknownDomain
from migration_plan.console import events
from migration_plan.console.desk import desk
from migration_plan.console.live import EVERY, Live
from migration_plan.console.orders import needed_role, offered
from migration_plan.console.run_view import announced, shown
from migration_plan.journal.entries import Entry
from migration_plan.lifecycle import Stage
from migration_plan.shadow.report import report

pages = Blueprint("domain", __name__)
LINES = 60
"""Of the journal, the newest."""
NEWEST = 12
"""Of these, those that are in sight at once: a switch has ten."""


@pages.get("/domains/<domain>")
def show(domain: str) -> str:
    """Everything, as it is now."""
    return render_template("domain.html", **seen(domain))


@pages.get("/domains/<domain>/events")
def told(domain: str) -> Response | tuple[str, int]:
    live_of(domain)
    runs = desk().runs
    return events.stream(lambda: fragments(domain), lambda: runs.wait(EVERY))


def live_of(domain: str) -> Live:
    """UnknownDomain where no plan is about it."""
    found = desk().lookout.now(EVERY * 0.9)
    if domain not in found:
        raise UnknownDomain(f'no plan is about domain "{domain}"', f"known domains: {', '.join(found)}")
    return found[domain]


def seen(domain: str) -> dict[str, object]:
    """What the page is drawn from."""
    live = live_of(domain)
    journal = desk().journal
    entries = journal.entries(domain, LINES)
    run = shown(desk().runs.last(domain), entries)
    # A probe of ours has no business in a switch.
    standing = desk().standings.now(domain, 3600.0 if run and run.is_moving else EVERY * 8)
    return {
        "one": live, "standing": standing, "run": run, "entries": entries[::-1], "newest": NEWEST, "acts": _acts(live),
        "shadow": _shadow(domain, live, entries), "announce": announced(domain, run, live),
    }  # fmt: skip


def _acts(live: Live) -> list[tuple[object, Stage | None, bool]]:
    """The buttons, and whether this person may press them; whoever may none is shown none."""
    found = offered(live.stages, live.stage, live.is_settled, live.is_migrated)
    return [(act, to, g.person.role.allows(needed_role(act, to))) for act, to in found]


def _shadow(domain: str, live: Live, entries: list[Entry]) -> object | None:
    """Differences, where the plan looks for them and somebody has begun to."""
    begun = live.stage is Stage.SHADOW or any(one.detail.get("stage") == Stage.SHADOW for one in entries)
    if Stage.SHADOW not in live.stages or not begun:
        return None
    return report(desk().standings.parts(domain))


PIECES = ("figures", "acts", "run", "gates", "streams", "shadow", "timeline")


def fragments(domain: str) -> dict[str, str]:
    """What of the page changes, by the id of its element."""
    found = seen(domain)
    pieces = {name: render_template(f"parts/{name}.html", **found) for name in PIECES}
    return {**pieces, "path": render_template("parts/path.html", **found), "announce": str(found["announce"])}
