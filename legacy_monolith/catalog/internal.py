"""Products and reservations for other domains, on the internal listener only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify

from legacy_monolith.catalog import listing, products, stock
from legacy_monolith.catalog.forms import NewReservation, ProductLookUp
from legacy_monolith.database import db
from legacy_monolith.validation import body, query
from legacy_monolith.web import amount

bp = Blueprint("reservations", __name__, url_prefix="/internal/catalog")
RESERVATION = "/reservations/<uuid:key>"


@bp.get("/products")
def look_up() -> Response:
    rows = products.found(query(ProductLookUp).ids)
    return jsonify({"items": [listing.shown(row) for row in rows]})


@bp.get(RESERVATION)
def show(key: UUID) -> Response:
    return _answer(stock.find(key))


@bp.put(RESERVATION)
def reserve(key: UUID) -> Response:
    lines = body(NewReservation).lines
    reservation = stock.reserve(key, {line.product_id: line.quantity for line in lines})
    db.session.commit()
    return _answer(reservation)


@bp.post(f"{RESERVATION}/confirm")
def confirm(key: UUID) -> Response:
    reservation = stock.confirm(key)
    db.session.commit()
    return _answer(reservation)


@bp.post(f"{RESERVATION}/release")
def release(key: UUID) -> Response:
    reservation = stock.release(key)
    db.session.commit()
    return _answer(reservation)


def _answer(reservation: stock.Reservation) -> Response:
    lines: list[dict[str, Any]] = [
        {
            "product_id": line.product_id,
            "quantity": line.quantity,
            "unit_price": amount(line.unit_price),
            "title": line.title,
        }
        for line in reservation.lines
    ]
    return jsonify({"key": str(reservation.key), "state": reservation.state, "lines": lines})
