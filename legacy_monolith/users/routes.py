"""Sign-up, login, logout, and what a session knows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Blueprint, Response, jsonify, request, session
from flask_login import login_user
from flask_wtf.csrf import generate_csrf
from pydantic import StringConstraints
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from legacy_monolith import identity
from legacy_monolith.database import Record, db
from legacy_monolith.errors import EmailTaken, WrongCredentials
from legacy_monolith.users.models import User
from legacy_monolith.users.passwords import hash_password, password_matches
from legacy_monolith.validation import Input, Text, body
from legacy_monolith.web import moment

bp = Blueprint("users", __name__)

Email = Annotated[Text, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Password = Annotated[Text, StringConstraints(min_length=8, max_length=256)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]

# Columns of the table, not attributes of the class: nothing of the ORM is needed to show a row.
users = User.__table__.c
SHOWN = (users.id, users.email, users.name, users.role, users.session_epoch, users.created_at)
_BY_ID = select(*SHOWN).where(users.id == bindparam("id"))


class SignUp(Input):
    email: Email
    password: Password
    name: Name
    role: Literal["buyer", "seller"]


class Login(Input):
    email: Email
    password: Annotated[Text, StringConstraints(max_length=256)]


@bp.post("/api/users/signup")
def sign_up() -> tuple[Response, int]:
    form = body(SignUp)
    statement = insert(User).values(
        email=form.email, password_hash=hash_password(form.password), name=form.name, role=form.role
    )
    row = db.session.execute(statement.on_conflict_do_nothing().returning(*SHOWN)).first()
    if row is None:
        raise EmailTaken("There is an account with this e-mail address already.")
    db.session.commit()
    _begin_session(row)
    return jsonify(_shown(row)), 201


@bp.post("/api/users/login")
def log_in() -> Response:
    form = body(Login)
    row = db.session.execute(
        select(*SHOWN, User.password_hash).where(func.lower(User.email) == func.lower(form.email))
    ).first()
    # Hashing takes long; no connection is kept meanwhile.
    db.session.rollback()
    if not password_matches(row.password_hash if row else None, form.password) or row is None:
        raise WrongCredentials("E-mail address and password do not match.")
    _begin_session(row)
    return jsonify(_shown(row))


@bp.post("/api/users/logout")
@identity.requires_login
def log_out() -> tuple[str, int]:
    """Ends every session of the user, so that a copied cookie is worth nothing afterwards."""
    user = identity.account()
    db.session.execute(update(User).where(User.id == user.id).values(session_epoch=User.session_epoch + 1))
    db.session.commit()
    session.clear()
    return "", 204


@bp.get("/api/users/me")
@identity.requires_login
def me() -> Response:
    row = db.session.execute(_BY_ID, {"id": identity.account().id}).one()
    return jsonify(_shown(row))


@bp.get("/api/users/csrf")
def csrf() -> Response:
    answer = jsonify({"csrf_token": generate_csrf()})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/internal/users/session")
def session_statement() -> Response:
    """For the proxy: who sent the request whose cookie, token and method these are."""
    answer = Response(status=204)
    if stated := identity.statement(request.headers.get("X-Original-Method", "GET").upper()):
        answer.headers["X-Identity"] = stated
    return answer


def _begin_session(row: Record) -> None:
    """A new session: nothing of an earlier one, its CSRF token least of all, lives on."""
    session.clear()
    login_user(identity.Account(row.id, row.role, row.session_epoch))
    session["epoch"] = row.session_epoch


def _shown(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "created_at": moment(row.created_at),
    }
