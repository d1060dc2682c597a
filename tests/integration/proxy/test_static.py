"""Files that the proxy serves itself: below the routes of domains, above the rest, and nothing beside their folder."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from proxy import installation
from proxy.config import STRICT_POLICY, Static
from proxy.errors import NginxRefused


@pytest.fixture
def pages(static_world):
    """The folder, filled: pages, a style, things that must stay hidden, and a file beside it."""
    folder = static_world.config.static[0].folder
    for name, text in {
        "index.html": "<title>home</title>",
        "product.html": "<title>product</title>",
        "guide/index.html": "<title>guide</title>",
        "css/shop.css": "body { color: black }\n" * 100,
        "api/catalog/products": "a file where a domain is",
        "internal/x": "a file where nobody may go",
        ".env": "secret",
        "css/.hidden.css": "secret",
        "../beside.html": "secret",
    }.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    if not (folder / "link.html").is_symlink():
        (folder / "link.html").symlink_to(folder / "../beside.html")
    return folder


def raw(world, path, method="GET"):
    """Sent as it stands: no client tidies the path."""
    with socket.create_connection(world.config.public.split(":")) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "home"),
        ("/product", "product"),
        ("/product?id=7", "product"),
        ("/product.html", "product"),
        ("/guide", "guide"),
        ("/guide/", "guide"),
        ("/css/shop.css", "color"),
    ],
)
def test_a_page_is_found_by_its_clean_name_and_no_application_is_asked(static_world, pages, path, text):
    answer = static_world.user().get(path)
    assert answer.status_code == 200
    assert text in answer.text
    assert static_world.monolith.arrivals == []


def test_what_is_no_file_belongs_to_the_application(static_world, pages):
    assert static_world.user().get("/orders/7").text == "monolith"
    assert static_world.user().get("/api/users/me").text == "monolith"


def test_a_write_never_meets_a_file(static_world, pages):
    assert static_world.user().post("/product").text == "monolith"
    assert static_world.user().delete("/").text == "monolith"


def test_a_domain_comes_before_a_file_of_its_name_on_both_sides(static_world, pages):
    path = "/api/catalog/products"
    assert static_world.user().get(path).text == "monolith"
    epoch = static_world.client.routes()["catalog"].epoch + 1
    static_world.client.set_route("catalog", epoch, "service")
    assert static_world.user().get(path).text == "catalog"
    assert static_world.user().post(path).text == "catalog"


@pytest.mark.parametrize("path", ["/internal/x", "/%69nternal/x", "//internal/x", "/internal/catalog/x"])
def test_internal_addresses_stay_closed_to_the_public(static_world, pages, path):
    assert raw(static_world, path).startswith("HTTP/1.1 404 ")
    assert static_world.monolith.arrivals == []


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/css/.hidden.css",
        "/../beside.html",
        "/css/../../beside.html",
        "/%2e%2e/beside.html",
        "/..%2fbeside.html",
        "/css/..%2f..%2fbeside",
        "/./.env",
        "/%2eenv",
        "/link",
        "/link.html",
        "/css",
        "/css/",
    ],
)
def test_nothing_hidden_linked_or_beside_the_folder_is_ever_served(static_world, pages, path):
    assert "secret" not in raw(static_world, path)


def test_a_file_is_asked_about_each_time_and_sent_only_when_it_has_changed(static_world, pages):
    user = static_world.user()
    first = user.get("/css/shop.css")
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["Content-Encoding"] == "gzip"
    again = user.get("/css/shop.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")
    (pages / "css/shop.css").write_text("body { color: white }\n" * 101)
    changed = user.get("/css/shop.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, "white" in changed.text) == (200, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's workers are somebody else")
def test_pages_that_the_workers_cannot_reach_are_copied_to_where_they_can(tmp_path, world):
    home = tmp_path / "home"
    (home / "pages" / "css").mkdir(parents=True)
    (home / "pages" / "css" / "shop.css").write_text("body {}")
    (home / "pages" / "css" / "shop.css").chmod(0o600)
    home.chmod(0o700)
    config = replace(world.config, folder=tmp_path / "nginx", static=(Static("/", home / "pages"),))
    installation.install(config)
    copy = config.folder / "pages" / "0"
    assert f"root {copy};" in (config.folder / "conf" / "nginx.conf").read_text()
    assert (copy / "css" / "shop.css").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_does_not_exist_is_refused_by_name(tmp_path, world):
    config = replace(world.config, folder=tmp_path / "nginx", static=(Static("/", tmp_path / "nowhere"),))
    with pytest.raises(NginxRefused, match="nowhere"):
        installation.install(config)


def test_pages_carry_what_a_browser_needs_to_be_strict(static_world, pages):
    for path, kind in {"/": "text/html; charset=utf-8", "/css/shop.css": "text/css; charset=utf-8"}.items():
        headers = static_world.user().get(path).headers
        assert headers["Content-Type"] == kind
        assert headers["Content-Security-Policy"] == STRICT_POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert len(headers["X-Request-Id"]) == 32
