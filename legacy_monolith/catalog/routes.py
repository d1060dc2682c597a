"""The catalog's public API."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, request

from legacy_monolith import identity
from legacy_monolith.catalog import listing, products
from legacy_monolith.catalog.forms import NewProduct, ProductEdit, ProductQuery, StockAdjustment
from legacy_monolith.database import db
from legacy_monolith.errors import MalformedRequest
from legacy_monolith.validation import body, query

bp = Blueprint("catalog", __name__, url_prefix="/api/catalog/products")

_VERSION = re.compile(r'"([0-9]{1,10})"')


@bp.get("")
def index() -> Response:
    form = query(ProductQuery)
    # Only a seller's own list depends on who asks; other lists cost no look at the session.
    caller = identity.user_id_if_known() if form.seller_id is not None else None
    return jsonify(listing.page(form, caller))


@bp.get("/<id:product_id>")
def show(product_id: int) -> Response:
    row = products.find(product_id)
    if row.is_hidden:
        products.require_seller(row, identity.user_id_if_known())
    return jsonify(listing.shown(row))


@bp.post("")
@identity.requires_role("seller")
def create() -> tuple[Response, int, dict[str, str]]:
    row, is_new = products.create(identity.account().id, body(NewProduct))
    db.session.commit()
    location = {"Location": f"/api/catalog/products/{row.id}"}
    return jsonify(listing.shown(row)), 201 if is_new else 200, location


@bp.patch("/<id:product_id>")
@identity.requires_role("seller")
def edit(product_id: int) -> Response:
    form = body(ProductEdit)
    row = products.edit(product_id, identity.account().id, form, _expected_version())
    db.session.commit()
    return jsonify(listing.shown(row))


@bp.post("/<id:product_id>/withdraw")
@identity.requires_role("seller")
def withdraw(product_id: int) -> Response:
    row = products.withdraw(product_id, identity.account().id)
    db.session.commit()
    return jsonify(listing.shown(row))


@bp.post("/<id:product_id>/stock")
@identity.requires_role("seller")
def adjust_stock(product_id: int) -> Response:
    answer = products.adjust_stock(product_id, identity.account().id, body(StockAdjustment))
    db.session.commit()
    return jsonify(answer)


def _expected_version() -> int | None:
    given = request.headers.get("If-Match")
    if given is None:
        return None
    if not (version := _VERSION.fullmatch(given)):
        raise MalformedRequest('If-Match has to be a version in quotes, like "3".')
    return int(version.group(1))
