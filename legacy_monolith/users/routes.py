"""Sign-up, login and logout, the profile and what it takes to change it, and what a session knows."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask_wtf.csrf import generate_csrf

from legacy_monolith import identity
from legacy_monolith.database import db
from legacy_monolith.users import accounts, events, forms, login, phone, sessions
from legacy_monolith.users.passwords import hash_password
from legacy_monolith.validation import body
from legacy_monolith.web import moment

bp = Blueprint("users", __name__)


@bp.post("/api/users/signup")
def sign_up() -> tuple[Response, int]:
    form = body(forms.SignUp)
    row = accounts.open_account(form.email, hash_password(form.password), form.name, form.role)
    events.signed_up(row.id)
    db.session.commit()
    sessions.begin(row)
    return jsonify(accounts.shown(row)), 201


@bp.post("/api/users/login")
def log_in() -> Response:
    form = body(forms.Login)
    row = login.authenticate(form.email, form.password)
    sessions.begin(row, form.remember)
    return jsonify(accounts.shown(row))


@bp.post("/api/users/logout")
@identity.requires_login
def log_out() -> tuple[str, int]:
    """Ends every session of the user, so that a copied cookie is worth nothing afterwards."""
    user_id = identity.account().id
    events.logged_out_everywhere(user_id, accounts.end_sessions(user_id))
    db.session.commit()
    sessions.end()
    return "", 204


@bp.get("/api/users/me")
@identity.requires_login
def me() -> Response:
    return jsonify(accounts.shown(accounts.by_id(identity.account().id)))


@bp.patch("/api/users/me")
@identity.requires_login
def rename() -> Response:
    row = accounts.rename(identity.account().id, body(forms.Profile).name)
    db.session.commit()
    return jsonify(accounts.shown(row))


@bp.post("/api/users/email")
@identity.requires_login
def change_email() -> Response:
    form, user_id = body(forms.EmailChange), identity.account().id
    login.confirm(user_id, form.password)
    old_email = accounts.lock(user_id).email
    row = accounts.change_email(user_id, form.email)
    if row.email != old_email:
        events.email_changed(user_id, old_email)
    db.session.commit()
    return jsonify(accounts.shown(row))


@bp.post("/api/users/password")
@identity.requires_login
def change_password() -> tuple[str, int]:
    """Ends every other session of the user; this one, with its token, goes on in the new epoch."""
    form, user_id = body(forms.PasswordChange), identity.account().id
    confirmed = login.confirm(user_id, form.current_password)
    row = accounts.change_password(user_id, confirmed, hash_password(form.new_password))
    events.password_changed(user_id, row.session_epoch)
    db.session.commit()
    sessions.go_on(row)
    return "", 204


@bp.post("/api/users/phone")
@identity.requires_login
def send_code() -> tuple[Response, int]:
    expires_at, fate = phone.send_code(identity.account().id, body(forms.PhoneNumber).phone)
    return jsonify({"expires_at": moment(expires_at), "delivery": fate}), 202


@bp.post("/api/users/phone/verify")
@identity.requires_login
def verify_phone() -> Response:
    user_id = identity.account().id
    phone.verify(user_id, body(forms.ReceivedCode).code)
    return jsonify(accounts.shown(accounts.by_id(user_id)))


@bp.post("/api/users/seller")
@identity.requires_login
def become_seller() -> Response:
    """No body is read. Repeating it changes nothing."""
    row = accounts.make_seller(identity.account().id)
    db.session.commit()
    sessions.announce_role(row.role)
    return jsonify(accounts.shown(row))


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


@bp.get("/internal/users/<id:user_id>/contact")
def contact(user_id: int) -> Response:
    """For other domains: how to reach a user; the phone only if it was proved."""
    row = accounts.find(user_id)
    return jsonify({"id": row.id, "name": row.name, "email": row.email, "phone": row.phone})
