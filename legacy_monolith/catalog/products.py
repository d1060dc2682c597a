"""Sellers' work on their products. Nothing commits here: a request is one transaction, its route ends it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from legacy_monolith.catalog.forms import NewProduct, ProductEdit, StockAdjustment
from legacy_monolith.catalog.listing import SHOWN, products
from legacy_monolith.catalog.models import Product, StockMovement
from legacy_monolith.database import Record, db
from legacy_monolith.errors import (
    InvalidFields,
    NotFound,
    NotOwner,
    OutOfStock,
    Problem,
    RequestKeyReused,
    VersionMismatch,
)
from legacy_monolith.validation import LARGEST_STOCK

_BY_ID = select(*SHOWN).where(products.id == bindparam("id"))


def find(product_id: int) -> Record:
    row = db.session.execute(_BY_ID, {"id": product_id}).first()
    if row is None:
        raise NotFound(f"There is no product {product_id}.")
    return row


def found(ids: list[int]) -> Sequence[Record]:
    """Those of these products that exist, whatever their status: for other domains, not for people."""
    return db.session.execute(select(*SHOWN).where(products.id.in_(ids)).order_by(products.id)).all()


def require_seller(row: Record, caller: int | None) -> None:
    """A hidden product does not exist for others."""
    if row.seller_id != caller:
        raise NotFound(f"There is no product {row.id}.")


def create(seller_id: int, form: NewProduct) -> tuple[Record, bool]:
    """The new product, or the one that the same request made before; and whether it is new."""
    values = form.model_dump(exclude={"request_key"})
    key = form.request_key
    statement = insert(Product).values(seller_id=seller_id, request_key=key, **values)
    row = db.session.execute(
        statement.on_conflict_do_nothing(index_elements=[Product.request_key]).returning(*SHOWN)
    ).first()
    if row is None:
        return _made_before(seller_id, key), False
    if form.stock:
        opening = {
            "product_id": row.id,
            "delta": form.stock,
            "reason": "opening",
            "request_key": uuid.uuid4(),
        }
        db.session.execute(insert(StockMovement).values(opening))
    return row, True


def _made_before(seller_id: int, key: uuid.UUID | None) -> Record:
    row = db.session.execute(select(*SHOWN).where(Product.request_key == key)).one()
    if row.seller_id != seller_id:
        raise RequestKeyReused(f"The key {key} was used for another request.")
    return row


def edit(product_id: int, seller_id: int, form: ProductEdit, expected_version: int | None) -> Record:
    statement = update(Product).where(Product.id == product_id, Product.seller_id == seller_id)
    if expected_version is not None:
        statement = statement.where(Product.version == expected_version)
    changes = {"version": Product.version + 1, "updated_at": func.now(), **form.changes()}
    row = db.session.execute(statement.values(changes).returning(*SHOWN)).first()
    if row is None:
        current = _own(product_id, seller_id)
        raise VersionMismatch(f"Product {product_id} has version {current.version} now.", version=current.version)
    return row


def withdraw(product_id: int, seller_id: int) -> Record:
    own = (Product.id == product_id, Product.seller_id == seller_id)
    changes = {"is_withdrawn": True, "version": Product.version + 1, "updated_at": func.now()}
    statement = update(Product).where(*own, ~Product.is_withdrawn).values(changes).returning(*SHOWN)
    # No row: it is withdrawn already, or not this seller's.
    return db.session.execute(statement).first() or _own(product_id, seller_id)


def adjust_stock(product_id: int, seller_id: int, form: StockAdjustment) -> dict[str, int]:
    """Write first, judge afterwards: a side that does not own is refused before it judges by stale rows."""
    changed = Product.stock + form.delta
    statement = (
        update(Product)
        .where(Product.id == product_id, Product.seller_id == seller_id, changed.between(0, LARGEST_STOCK))
        .values(stock=changed)
        .returning(Product.stock)
    )
    stock = db.session.execute(statement).scalar()
    movement = None
    if stock is not None:
        movement = db.session.execute(
            insert(StockMovement)
            .values(product_id=product_id, delta=form.delta, reason="adjustment", request_key=form.request_key)
            .on_conflict_do_nothing(index_elements=[StockMovement.request_key])
            .returning(StockMovement.id)
        ).scalar()
    if stock is not None and movement is not None:
        return {"product_id": product_id, "stock": stock, "movement_id": movement}
    db.session.rollback()
    return _adjusted_before(product_id, seller_id, form)


def _adjusted_before(product_id: int, seller_id: int, form: StockAdjustment) -> dict[str, int]:
    """The first answer to the same request; if there was none, the reason why this one is refused."""
    own = _own(product_id, seller_id)
    first = db.session.execute(select(StockMovement).where(StockMovement.request_key == form.request_key)).scalar()
    if first is None:
        raise _refusal(own, form.delta)
    if (first.product_id, first.delta, first.reason) != (product_id, form.delta, "adjustment"):
        raise RequestKeyReused(f"The key {form.request_key} was used for another request.")
    # Ids of movements are drawn under the lock of the product's row, so their order is that of the changes.
    stock = db.session.execute(
        select(func.sum(StockMovement.delta)).where(
            StockMovement.product_id == product_id, StockMovement.id <= first.id
        )
    ).scalar_one()
    return {"product_id": product_id, "stock": stock, "movement_id": first.id}


def _refusal(own: Record, delta: int) -> Problem:
    if own.stock + delta > LARGEST_STOCK:
        return InvalidFields([{"field": "delta", "message": f"would make the stock exceed {LARGEST_STOCK}"}])
    return OutOfStock(f"Product {own.id} has {own.stock} in stock.", product_id=own.id, stock=own.stock)


def _own(product_id: int, seller_id: int) -> Record:
    row = find(product_id)
    if row.seller_id != seller_id:
        raise NotOwner(f"Product {product_id} belongs to another seller.")
    return row
