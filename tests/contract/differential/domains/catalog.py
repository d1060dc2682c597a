"""The catalog: two sellers, a buyer, a visitor, and a seller whose requests carry no CSRF token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

import legacy_monolith.openapi
from tests.contract.differential.domain import Domain, Noise, Ref, Same, Step
from tests.contract.differential.steps import KEYS

PRODUCTS = "/api/catalog/products"
RESERVATION = "/internal/catalog/reservations/{key}"
PRODUCT_PATH = f"{PRODUCTS}/{{id}}"
OAK = {"title": "Chair", "description": "Oak", "category": "home", "price": "12.34", "stock": 5}
PINE = {"title": "Table, pine", "description": "", "category": "garden", "price": "0.10", "stock": 0}
PRODUCT = Same("product")

_product = st.one_of(
    st.builds(Ref, st.just("product"), st.integers(0, 5)),
    st.sampled_from([10**12, 10**18 - 1]),
)
_key = st.sampled_from(KEYS)
_cents = st.sampled_from(["0", "0.1", "0.10", "12.34", "12.30", "19.99", "99999999.99"])
_lines = st.lists(
    st.fixed_dictionaries({"product_id": _product, "quantity": st.sampled_from([1, 2, 3, 6])}), min_size=1, max_size=3
)


def _offer(actor: str, product: dict[str, object]) -> Step:
    return Step(actor, "POST", PRODUCTS, "createProduct", body=product, has_body=True)


def _edit(actor: str, number: int, changes: dict[str, object]) -> Step:
    path = (("id", Ref("product", number)),)
    return Step(actor, "PATCH", PRODUCT_PATH, "editProduct", path, body=changes, has_body=True)


def _hold(key: str, number: int) -> Step:
    lines = {"lines": [{"product_id": Ref("product", number), "quantity": 2}]}
    return Step("visitor", "PUT", RESERVATION, "reserve", (("key", key),), body=lines, has_body=True)


def _settle(key: str, how: str, operation: str) -> Step:
    return Step("visitor", "POST", f"{RESERVATION}/{how}", operation, (("key", key),))


CATALOG = Domain(
    name="catalog",
    document=Path(legacy_monolith.openapi.__file__).with_name("catalog.yml"),
    actors=("ada", "ada", "bob", "cleo", "visitor", "ada-without-token"),
    prelude=(
        _offer("ada", OAK),
        _offer("ada", PINE),
        _offer("bob", {**OAK, "title": "Stool"}),
        _offer("ada", {**OAK, "title": "Hidden bench"}),
        _edit("ada", 3, {"hidden": True}),
        replace(_edit("ada", 0, {"title": "Late"}), headers=(("If-Match", '"7"'),)),
        Step("ada", "GET", PRODUCT_PATH, "getProduct", (("id", Ref("product", 0)),)),
        Step("ada", "GET", PRODUCT_PATH, "getProduct", (("id", Ref("product", 2)),)),
        _hold(KEYS[0], 0),
        _settle(KEYS[0], "release", "releaseReservation"),
        _settle(KEYS[0], "release", "releaseReservation"),
        Step("visitor", "GET", PRODUCTS, "listProducts", query=(("limit", 2), ("sort", "title"))),
    ),
    hints={
        "id": _product,
        "product_id": _product,
        "lines": _lines,
        "key": _key,
        "request_key": _key,
        "If-Match": st.sampled_from(['"1"', '"2"', '"3"', "1", '"x"']),
        "delta": st.sampled_from([1, -1, 3, -5, 10**9, -(10**9)]),
        "stock": st.sampled_from([0, 1, 5, 10**9]),
        "category": st.sampled_from(["home", "garden", "z9-"]),
        "price": _cents,
        "min_price": _cents,
        "max_price": _cents,
        "q": st.sampled_from(["chair", "oak -stool", '"pine"', "nothing", "table or stool"]),
        "seller_id": st.builds(Ref, st.just("seller"), st.integers(0, 1)),
        "limit": st.sampled_from([1, 2, 2, 3, 100, 101, 0]),
        "cursor": st.one_of(st.builds(Ref, st.just("cursor"), st.integers(0, 3)), st.just("bm90IG9uZQ")),
        "title": st.sampled_from(["Chair", "chair é", " padded ", "Stool"]),
        "description": st.sampled_from(["Oak", "", "pine\n\ttable"]),
    },
    learned={
        "createProduct": ("product", "id"),
        "listProducts": ("cursor", "next_cursor"),
        "getProduct": ("seller", "seller_id"),
        "editProduct": ("seller", "seller_id"),
    },
    fields={
        "id": PRODUCT,
        "product_id": PRODUCT,
        "movement_id": Same("movement"),
        "created_at": Noise.MOMENT,
        "updated_at": Noise.MOMENT,
        "next_cursor": Noise.CURSOR,
        "detail": Noise.WORDS,
        "message": Noise.WORDS,
        "next_step": Noise.WORDS,
    },
    columns={
        "product.id": PRODUCT,
        "product.created_at": Noise.MOMENT,
        "product.updated_at": Noise.MOMENT,
        "inventory.product_id": PRODUCT,
        "movement.id": Same("movement"),
        "movement.product_id": PRODUCT,
        # An opening's key is drawn by the side, the others come from the request or follow from it.
        "movement.request_key": Same("movement key"),
        "movement.created_at": Noise.MOMENT,
        "reservation.created_at": Noise.MOMENT,
        "reservation.updated_at": Noise.MOMENT,
        "reservation_line.product_id": PRODUCT,
    },
    location="product",
)
