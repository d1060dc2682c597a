"""Coming in and leaving; who is here at every other page."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, abort, current_app, g, redirect, render_template, request, session, url_for
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.wrappers import Response as AnyResponse

from migration_plan.console.desk import desk
from migration_plan.console.entry import Person, again, by_token
from migration_plan.journal.access import Forbidden

pages = Blueprint("entering", __name__)
OPEN = {"entering.login", "entering.enter", "entering.livez", "static"}
_log = logging.getLogger("fig.console")


@pages.before_app_request
def _who() -> AnyResponse | None:
    """Nobody gets further without having come in; what they may do is asked of the journal each time."""
    g.person = None
    if request.endpoint in ("static", "entering.livez"):
        return None
    if not host_is_trusted(request.host, [current_app.config["FIG_HOST"]]):
        abort(400, "This console does not answer for that host name.")
    if "who" in session:
        g.person = again(desk().journal, session["name"], session["who"])
    if g.person is None and request.endpoint not in OPEN:
        session.clear()
        return redirect(url_for("entering.login"))
    return None


@pages.app_context_processor
def _shown() -> dict[str, Person | None]:
    return {"person": g.get("person")}


@pages.get("/livez")
def livez() -> Response:
    return Response("ok\n", mimetype="text/plain")


@pages.get("/login")
def login() -> str | AnyResponse:
    """Looking at this page lets nobody in: whoever came by a link presses its button."""
    if g.person is not None:
        return redirect(url_for("overview.show"))
    return render_template("login.html", ticket=request.args.get("ticket", ""))


@pages.post("/login")
def enter() -> tuple[str, int] | AnyResponse:
    """By ticket or token; too many attempts from one address have to wait."""
    ticket = request.form.get("ticket", "")
    address = request.remote_addr or ""
    wait = desk().throttle.wait(address)
    if wait:
        said = render_template("login.html", ticket="", problem=f"Too many attempts. Wait for {wait:.0f} s.")
        return said, 429
    try:
        person = _by_ticket(ticket) if ticket else by_token(desk().journal, request.form.get("token", "").strip())
    except Forbidden as error:
        desk().throttle.failed(address)
        _log.warning("refused at the login: %s", error.code)
        problem = f"This lets nobody in: {error.message}." if ticket else "This is no token of this journal."
        return render_template("login.html", ticket="", problem=problem), 403
    session.clear()
    session.permanent = True
    session["name"], session["who"] = person.name, person.who
    _log.info("%s came in as %s", person.who, person.role)
    return redirect(url_for("overview.show"))


def _by_ticket(ticket: str) -> Person:
    name, who = desk().tickets.take(ticket)
    person = again(desk().journal, name, who)
    if person is None:
        raise Forbidden("whoever made this link has no token any more", "fig token list")
    return person


@pages.post("/logout")
def logout() -> AnyResponse:
    session.clear()
    return redirect(url_for("entering.login"))
