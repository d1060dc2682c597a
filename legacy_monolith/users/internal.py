"""How somebody can be reached, for other domains, on the internal listener only."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from legacy_monolith.errors import NotFound
from legacy_monolith.users import accounts

bp = Blueprint("contacts", __name__)


@bp.get("/internal/users/<id:user_id>/contact")
def contact(user_id: int) -> Response:
    row = accounts.find(user_id)
    if row is None:
        raise NotFound(f"There is no user {user_id}.")
    return jsonify({"id": row.id, "name": row.name, "email": row.email, "phone": row.phone})
