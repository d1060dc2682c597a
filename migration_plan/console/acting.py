"""Before an act: exactly what would be done, and what is against it. After it was confirmed: begin it."""

from __future__ import annotations

from contextlib import closing

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from migration_plan import bootstrap
from migration_plan.console.desk import desk
from migration_plan.console.domain import live_of
from migration_plan.console.live import Live
from migration_plan.console.orders import Act, Order, act_named, needed_role
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.journal.access import Forbidden
from migration_plan.lifecycle import TRANSITIONS, Stage
from migration_plan.lifecycle import Act as Doing
from migration_plan.moving.dry_run import DryRun, dry_run
from migration_plan.moving.moves import stage_named

pages = Blueprint("acting", __name__)
MOVES = ("advance", "rollback")
LONGEST = 500
"""Characters of a reason."""


class SeenBefore(FigError):
    """The domain is no longer where it was when the steps were shown."""

    code = "moved-meanwhile"
    exit_code = Exit.MOVED_MEANWHILE


@pages.get("/domains/<domain>/<name>")
def ask(domain: str, name: str) -> str:
    """The steps, and the question why; nothing is done."""
    act, to, live = _meant(domain, name)
    return render_template("act.html", **_asked(act, to, live), problem="")


@pages.post("/domains/<domain>/<name>")
def begin(domain: str, name: str) -> Response | tuple[str, int]:
    """Do what was shown, if the domain is where it was then."""
    act, to, live = _meant(domain, name)
    reason = " ".join(request.form.get("reason", "").split())
    if not reason or len(reason) > LONGEST:
        said = f"Say why, in at most {LONGEST} characters: it goes into the journal."
        return render_template("act.html", **_asked(act, to, live), problem=said), 400
    was = (request.form.get("stage", ""), request.form.get("epoch", ""))
    if was != (str(live.stage), str(live.epoch)):
        raise SeenBefore(
            f'"{domain}" has moved since you were shown the steps: it is in stage {live.stage} at epoch {live.epoch};'
            " nothing was done", f"look again: fig status {domain}",
        )  # fmt: skip
    is_switch = to is not None and TRANSITIONS.get((live.stage, to)) is Doing.SWITCH
    person = g.person
    desk().runs.begin(Order(domain, act.name, reason, person.name, person.who, person.role, to, is_switch))
    desk().standings.forget(domain)
    return redirect(url_for("domain.show", domain=domain, _anchor="run"), 303)


@pages.post("/domains/<domain>/take-back")
def take_back(domain: str) -> Response:
    """As Ctrl-C at the command."""
    live_of(domain)
    _demand(act_named("rollback"), None)
    desk().runs.take_back(domain)
    return redirect(url_for("domain.show", domain=domain, _anchor="run"), 303)


def _meant(domain: str, name: str) -> tuple[Act, Stage | None, Live]:
    live, act = live_of(domain), act_named(name)
    to = stage_named(request.values.get("to") or None) if name in MOVES else None
    _demand(act, to)
    return act, to, live


def _demand(act: Act, to: Stage | None) -> None:
    needed = needed_role(act, to)
    if not g.person.role.allows(needed):
        raise Forbidden(f"fig {act.name} needs the role {needed}; you have the role {g.person.role}", "ask one of them")


def _asked(act: Act, to: Stage | None, live: Live) -> dict[str, object]:
    found = _dry_run(live.domain, act, to) if act.name in MOVES else None
    return {"act": act, "to": found.move.after if found else None, "one": live, "found": found, "longest": LONGEST}


def _dry_run(domain: str, act: Act, to: Stage | None) -> DryRun:
    """The same as `--dry-run` prints, by connections of its own."""
    mover = bootstrap.build(domain, desk().environment)
    with closing(mover.parts) as parts:
        parts.journal.act_as(g.person.access, g.person.who)
        return dry_run(parts, act.name == "advance", to)
