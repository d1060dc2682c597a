"""What is only asked to be compared changes nothing in a service: its database refuses."""

from __future__ import annotations

from tests.integration.catalog.databases import CatalogDatabase
from tests.integration.catalog.test_chassis import PROBE, Starter

ASK = {"X-Fig-Shadow": "ask"}


def test_a_service_fences_shadow_requests_says_so_and_serves_others_as_ever(
    start_service: Starter, catalog_database: CatalogDatabase
) -> None:
    client = start_service(PROBE).client()
    with catalog_database.connect("postgres") as connection:
        connection.execute("grant create on schema public to catalog_app")
    probe = client.request("GET", "/", headers={"X-Fig-Shadow": "probe"})
    assert (probe.status, probe.headers.get("x-fig-shadow")) == (204, "fenced")
    read = client.request("GET", "/sleep/0", headers=ASK)
    assert (read.status, read.headers.get("x-fig-shadow")) == (404, "fenced"), "no such path, and nothing was done"
    for method, path in (("GET", "/sly"), ("POST", "/twice")):
        assert client.request(method, path, headers=ASK).headers.get("x-fig-shadow") == "refused"
    with catalog_database.connect("postgres") as connection:
        assert connection.execute("select to_regclass('public.sly') is null").fetchone() == (True,)
    other = client.request("GET", "/sly")
    assert (other.status, other.headers.get("x-fig-shadow")) == (200, None)
