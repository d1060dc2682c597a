"""A side that does not own the catalog: its database refuses, and the service hands the request back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from tests.integration.catalog.databases import CatalogDatabase
from tests.integration.catalog.identities import Issuer
from tests.integration.catalog.processes import ServiceProcess
from tests.support.clients import Client

# What the switch installs: a deny trigger per table, disabled on the owner.
FENCE = """
create schema fig;
grant usage on schema fig to public;
create function fig.deny() returns trigger language plpgsql as $$
begin
    raise exception 'domain "%" is not owned here: this is the service side, fenced at epoch 7', tg_argv[0]
        using errcode = 'SF421', hint = 'send the request to the owner',
              detail = '{"domain": "catalog", "epoch": 7, "side": "service", "state": "fenced"}';
end $$;
"""
TABLES = ("product", "inventory", "movement", "reservation", "reservation_line")
PRODUCT = {"title": "Lamp", "description": "", "category": "home", "price": "12.34", "stock": 5}


@pytest.fixture
def fence(catalog_database: CatalogDatabase) -> Callable[[], None]:
    """`fence()` closes the catalog on this side."""

    def close() -> None:
        with catalog_database.connect() as connection:
            connection.execute("set role catalog_owner")
            for table in TABLES:
                connection.execute(
                    f"create trigger a_fig_fence before insert or update or delete or truncate on {table}"
                    " for each statement execute function fig.deny('catalog')".encode()
                )

    with catalog_database.connect("postgres") as connection:
        connection.execute(FENCE.encode())
        connection.execute("grant usage on schema fig to catalog_owner")
    return close


def test_every_change_is_bounced_and_nothing_is_changed(
    seller: Client, fence: Callable[[], None], catalog_database: CatalogDatabase
) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    path, held = f"/api/catalog/products/{product['id']}", uuid.uuid4()
    line = {"lines": [{"product_id": product["id"], "quantity": 1}]}
    seller.request("PUT", f"/internal/catalog/reservations/{held}", line)
    before = rows(catalog_database)
    fence()
    for method, path_of_change, body in (
        ("POST", "/api/catalog/products", PRODUCT),
        ("PATCH", path, {"title": "Lantern"}),
        ("PATCH", path, {"hidden": True}),
        ("POST", f"{path}/withdraw", None),
        ("POST", f"{path}/stock", {"delta": 1, "request_key": str(uuid.uuid4())}),
        ("PUT", f"/internal/catalog/reservations/{uuid.uuid4()}", line),
        ("POST", f"/internal/catalog/reservations/{held}/confirm", None),
        ("POST", f"/internal/catalog/reservations/{held}/release", None),
        ("POST", f"/internal/catalog/reservations/{uuid.uuid4()}/release", None),
    ):
        answer = seller.request(method, path_of_change, body)
        assert (answer.status, answer.headers.get("x-fig-fenced")) == (421, "catalog 7"), str(answer)
        assert answer.json()["type"] == "/problems/fenced"
    assert rows(catalog_database) == before
    shown = seller.get("/internal/metrics").body.decode()
    assert (
        'fig_app_fenced_requests_total{answer="handed_back",app="catalog",domain="catalog",side="service"} 9.0' in shown
    )
    assert 'fig_app_requests_total{app="catalog",method="write",side="service",status="4xx"} 9.0' in shown


def test_what_would_be_refused_from_old_rows_is_bounced_as_well(
    service: ServiceProcess, seller: Client, issuer: Issuer, fence: Callable[[], None]
) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()["id"]
    stranger = service.client(**{"X-Identity": issuer.token(8)})
    fence()
    change = {"delta": -6, "request_key": str(uuid.uuid4())}
    line = {"lines": [{"product_id": product, "quantity": 6}]}
    for answer in (
        seller.post(f"/api/catalog/products/{product}/stock", change),
        seller.post("/api/catalog/products/999999/stock", change),
        seller.request("PATCH", "/api/catalog/products/999999", {"title": "Lantern"}),
        seller.request("PATCH", f"/api/catalog/products/{product}", {"title": "x"}, {"If-Match": '"9"'}),
        stranger.post(f"/api/catalog/products/{product}/withdraw"),
        seller.request("PUT", f"/internal/catalog/reservations/{uuid.uuid4()}", line),
        seller.post(f"/internal/catalog/reservations/{uuid.uuid4()}/confirm"),
    ):
        assert answer.status == 421, str(answer)


def test_reads_go_on_behind_a_fence(seller: Client, fence: Callable[[], None]) -> None:
    product = seller.post("/api/catalog/products", PRODUCT).json()
    fence()
    assert seller.get(f"/api/catalog/products/{product['id']}").json() == product
    assert seller.get("/api/catalog/products").json()["items"] == [product]


def test_a_fence_met_after_a_commit_is_an_honest_503(
    start_service: Callable[..., ServiceProcess], fence: Callable[[], None]
) -> None:
    service = start_service("tests.integration.catalog.probe_service:ProbeService")
    fence()
    answer = service.client().post("/twice")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "x-fig-fenced" not in answer.headers


def rows(database: CatalogDatabase) -> list[object]:
    tables = (f"(select json_agg(t order by t::text) from {table} t)" for table in TABLES)
    return [database.scalar(f"select {table}::text") for table in tables]
