"""Defects of the catalog service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Response

from tests.contract.defects.changes import answering, told, without_csrf_check
from tests.contract.defects.defect import Defect

SERVICE = "extracted.catalog.service"
SCHEMAS = "extracted.catalog.schemas"
CATALOGUE = "extracted.catalog.catalogue"
LISTING = "extracted.catalog.listing"
RESERVATIONS = "extracted.catalog.reservations"


def _status_200(response: Response) -> None:
    response.status_code = 200 if response.status_code == 201 else response.status_code


def _without_location(response: Response) -> None:
    response.headers.pop("Location", None)


def _rounded(document: dict[str, Any]) -> None:
    document["price"] = f"{round(float(document['price']), 1):.2f}"


def _always_active(document: dict[str, Any]) -> None:
    document["status"] = "active" if document["status"] == "hidden" else document["status"]


def _any_version(right: Any) -> Any:
    return lambda self, seller_id, product_id, changes, version: right(self, seller_id, product_id, changes, None)


def _shorter_page(right: Any) -> Any:
    def wrong(self: Any, found: list[Any]) -> Any:
        page = right(self, found)
        return replace(page, items=page.items[:-1]) if len(found) > self.limit and self.limit > 1 else page

    return wrong


def _no_role(right: Any) -> Any:
    return lambda request: right.__globals__["require"](request.identity, request.method, "buyer").user_id


def _anyone_sees_hidden(right: Any) -> Any:
    def wrong(self: Any, product_id: int, viewer: Any = lambda: None) -> Any:
        with self._database.read() as connection:
            return right.__globals__["_product"](connection, product_id)

    return wrong


def _no_movement(right: Any) -> Any:
    """The stock changes, its ledger does not."""

    def wrong(connection: Any, table: Any, values: dict[str, Any]) -> Any:
        new_id = right(connection, table, values)
        if table.name == "movement" and new_id is not None:
            connection.exec_driver_sql("delete from movement where id = %s", (new_id,))
        return new_id

    return wrong


def _doubled(right: Any) -> Any:
    """Every release gives the units back, the repeated one, too."""

    def wrong(self: Any, key: Any) -> Any:
        found = right(self, key)
        with self._database.write() as connection:
            for line in found.lines:
                connection.exec_driver_sql(
                    "update inventory set available = available + %s where product_id = %s",
                    (line.quantity, line.product_id),
                )
        return found

    return wrong


def _confirm_released(right: Any) -> Any:
    def wrong(self: Any, key: Any) -> Any:
        try:
            return right(self, key)
        except right.__globals__["ReservationReleased"]:
            return self.reservation(key)

    return wrong


def _highest_first(right: Any) -> Any:
    def wrong(self: Any, key: Any, wanted: Any) -> Any:
        scope = right.__globals__
        with self._database.read() as connection:
            stocks = scope["_locked_stocks"](connection, sorted(wanted, key=lambda line: line.product_id))
        for line in sorted(wanted, key=lambda line: -line.product_id):
            scope["_line"](line, stocks.get(line.product_id))
        return right(self, key, wanted)

    return wrong


def _other_lines_are_fine(right: Any) -> Any:
    return lambda connection, key, wanted: right.__globals__["_found"](connection, key)


def _untouched(right: Any) -> Any:
    def wrong(connection: Any, statement: Any, columns: dict[str, Any]) -> Any:
        scope = right.__globals__
        values = {**columns, "version": scope["product"].c.version + 1}
        row = connection.execute(statement.values(values).returning(*scope["CHANGED_PRODUCT"])).one_or_none()
        return None if row is None else scope["product_of"](row)

    return wrong


def _trimmed(right: Any) -> Any:
    def wrong(self: Any) -> Any:
        draft = right(self)
        return replace(draft, title=draft.title.strip())

    return wrong


def _exclusive(right: Any) -> Any:
    return lambda self: right(replace(self, max_price=self.max_price and self.max_price - 1))


CATALOG = (
    Defect("created-is-200", "a new product is answered with 200", f"{SERVICE}:CatalogService.create_product",
           answering(_status_200)),
    Defect("no-location", "the Location header is missing", f"{SERVICE}:CatalogService.create_product",
           answering(_without_location)),
    Defect("rounded-price", "prices are rounded to ten cents", f"{SCHEMAS}:product_document", told(_rounded)),
    Defect("hidden-looks-active", "a hidden product says that it is active", f"{SCHEMAS}:product_document",
           told(_always_active)),
    Defect("lost-update", "If-Match is ignored", f"{CATALOGUE}:Catalogue.edit", _any_version),
    Defect("short-page", "a full page lacks its last product", f"{LISTING}:Listing.page", _shorter_page),
    Defect("buyers-sell", "a buyer may offer products", f"{SERVICE}:seller", _no_role),
    Defect("no-csrf-check", "the CSRF token is not looked at", f"{SERVICE}:require", without_csrf_check),
    Defect("hidden-is-public", "anyone sees a hidden product", f"{CATALOGUE}:Catalogue.product", _anyone_sees_hidden),
    Defect("no-movement", "a stock change is not written into the ledger", f"{CATALOGUE}:insert_new", _no_movement),
    Defect("released-twice", "a repeated release gives stock back again", f"{RESERVATIONS}:Reservations.release",
           _doubled),
    Defect("confirms-released", "a released reservation can be confirmed", f"{RESERVATIONS}:Reservations.confirm",
           _confirm_released),
    Defect("highest-refused", "of two refused products the higher one is named", f"{RESERVATIONS}:Reservations.hold",
           _highest_first),
    Defect("key-reused", "a reservation's key takes other lines", f"{RESERVATIONS}:_held_before",
           _other_lines_are_fine),
    Defect("updated-at-stays", "an edit does not touch updated_at", f"{CATALOGUE}:_changed", _untouched),
    Defect("trimmed-title", "titles lose their spaces", f"{SCHEMAS}:DraftForm.draft", _trimmed),
    Defect("max-price-exclusive", "max_price excludes its own value", f"{LISTING}:Listing._conditions", _exclusive),
)  # fmt: skip
