"""The catalog's entrypoints. Each reads the request, calls the business, and writes its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from werkzeug.wrappers import Response

from extracted.catalog import schemas
from extracted.catalog.catalogue import Catalogue
from extracted.catalog.errors import REFUSALS
from extracted.catalog.reservations import Reservations
from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.http import http
from extracted.platform.identity import require
from extracted.platform.openapi import api_description
from extracted.platform.problems import document
from extracted.platform.request import Request
from extracted.platform.rpc import rpc

API = api_description(Path(__file__).with_name("openapi.yml"))
PRODUCTS = "/api/catalog/products"
PRODUCT = f"{PRODUCTS}/<id:product_id>"
RESERVATION = "/internal/catalog/reservations/<key:key>"


def seller(request: Request) -> int:
    """The id of the seller who asks."""
    return require(request.identity, request.method, "seller").user_id


def viewer(request: Request) -> int | None:
    return request.identity.user_id if request.identity else None


class CatalogService:
    name = "catalog"
    refusals = REFUSALS

    database: Database = DatabaseOf("CATALOG_DATABASE_URL")

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.database)

    @property
    def reservations(self) -> Reservations:
        return Reservations(self.database)

    @http("GET", "/api/catalog/openapi.json")
    def describe(self, request: Request) -> Response:
        return Response(API, content_type="application/json")

    @http("GET", PRODUCTS)
    def list_products(self, request: Request) -> Response:
        form = request.query(schemas.ListingForm)
        # Only a seller's own list depends on who asks; other lists cost no look at the identity.
        listing = form.listing(None if form.seller_id is None else viewer(request))
        return document(schemas.page_document(self.catalogue.products(listing)))

    @http("GET", PRODUCT)
    def get_product(self, request: Request, product_id: int) -> Response:
        product = self.catalogue.product(product_id, lambda: viewer(request))
        return document(schemas.product_document(product))

    @http("POST", PRODUCTS)
    def create_product(self, request: Request) -> Response:
        seller_id = seller(request)
        draft = request.json_body(schemas.DraftForm).draft()
        product, is_new = self.catalogue.create(seller_id, draft)
        location = {"Location": f"{PRODUCTS}/{product.id}"}
        return document(schemas.product_document(product), 201 if is_new else 200, location)

    @http("PATCH", PRODUCT)
    def edit_product(self, request: Request, product_id: int) -> Response:
        seller_id = seller(request)
        changes = request.json_body(schemas.ChangesForm).changes()
        version = schemas.expected_version(request.headers.get("If-Match"))
        product = self.catalogue.edit(seller_id, product_id, changes, version)
        return document(schemas.product_document(product))

    @http("POST", f"{PRODUCT}/withdraw")
    def withdraw_product(self, request: Request, product_id: int) -> Response:
        return document(schemas.product_document(self.catalogue.withdraw(seller(request), product_id)))

    @http("POST", f"{PRODUCT}/stock")
    def adjust_stock(self, request: Request, product_id: int) -> Response:
        seller_id = seller(request)
        form = request.json_body(schemas.StockForm)
        change = self.catalogue.change_stock(seller_id, product_id, form.delta, form.request_key)
        return document(schemas.stock_document(change))

    @http("GET", "/internal/catalog/products")
    def look_up_products(self, request: Request) -> Response:
        return document(schemas.products_document(self.catalogue.look_up(request.query(schemas.LookUpForm).ids)))

    @http("GET", RESERVATION)
    def get_reservation(self, request: Request, key: UUID) -> Response:
        return document(schemas.reservation_document(self.reservations.reservation(key)))

    @http("PUT", RESERVATION)
    def reserve(self, request: Request, key: UUID) -> Response:
        wanted = request.json_body(schemas.ReservationForm).wanted()
        return document(schemas.reservation_document(self.reservations.hold(key, wanted)))

    @http("POST", f"{RESERVATION}/confirm")
    def confirm_reservation(self, request: Request, key: UUID) -> Response:
        return document(schemas.reservation_document(self.reservations.confirm(key)))

    @http("POST", f"{RESERVATION}/release")
    def release_reservation(self, request: Request, key: UUID) -> Response:
        return document(schemas.reservation_document(self.reservations.release(key)))

    @rpc
    def product(self, product_id: int) -> dict[str, Any]:
        """A product as anyone may see it, for other services; a late or doubled call does no harm."""
        return schemas.product_document(self.catalogue.product(product_id))
