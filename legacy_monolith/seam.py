"""The seam between payments and catalog: one small port, a local way and a remote way.

Ownership, which the database records, decides which way is taken; without a record there is only the local one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError

from legacy_monolith import ownership
from legacy_monolith.catalog import stock as local_stock
from legacy_monolith.catalog.stock import Quantities, Reservation
from legacy_monolith.database import FENCED, db, sqlstate
from legacy_monolith.remote_stock import RemoteStock, StockInDoubt

__all__ = ["Stock", "StockInDoubt", "exists_elsewhere", "init_app", "with_stock"]


class Stock(Protocol):
    """All may be repeated under the same key. Refusals are problems; StockInDoubt: nothing is known."""

    def reserve(self, key: UUID, quantities: Quantities) -> Reservation: ...

    def confirm(self, key: UUID) -> None: ...

    def release(self, key: UUID) -> None: ...

    def settle(self) -> None:
        """End the transaction, unless stock is part of it: who waits for another side holds no lock."""


class LocalStock:
    """The catalog is in this database: stock and order are one transaction."""

    def reserve(self, key: UUID, quantities: Quantities) -> Reservation:
        # A refusal undoes the attempt, not the order that it is for.
        with db.session.begin_nested():
            return local_stock.reserve(key, quantities)

    def confirm(self, key: UUID) -> None:
        local_stock.confirm(key)

    def release(self, key: UUID) -> None:
        local_stock.release(key)

    def settle(self) -> None:
        """Nothing: the one commit comes at the end."""


def with_stock(attempt: Callable[[Stock], None]) -> None:
    """Run `attempt` the local way if the catalog is owned here; else, or if the fence refuses, remotely."""
    if ownership.is_here("catalog"):
        try:
            attempt(LocalStock())
        except DBAPIError as error:
            if sqlstate(error) != FENCED:
                raise
        else:
            return
    # Nothing of the local attempt stays, and no connection is held from here on.
    db.session.rollback()
    remote: RemoteStock = current_app.extensions["remote_stock"]
    attempt(remote)


def exists_elsewhere(product_id: int) -> bool:
    """Whether a product that is not known here may be on its way from the side that owns the catalog."""
    if ownership.is_here("catalog"):
        return False
    # No connection is kept while another side is asked.
    db.session.rollback()
    remote: RemoteStock = current_app.extensions["remote_stock"]
    return remote.knows(product_id)


def init_app(app: Flask) -> None:
    app.extensions["remote_stock"] = RemoteStock(app.config["INTERNAL_URL"], app.config["SEAM_PATIENCE_SECONDS"])
