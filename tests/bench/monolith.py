"""The whole monolith at half load, web and database together: CPU of a request that writes, with capture and a fence at
rest, and without.

Its own web server with its own configuration, people who change what is in their carts, and no proxy. With: its
database is captured and fenced, and the web server runs with the middleware. CPU of the applier and of the clients is
not counted: both would be on other machines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cdc.projection import Column, Projection, Role, Table
from legacy_monolith.migrate import migrate
from legacy_monolith.seed import PASSWORD, Size, seed
from tests.bench.capturing import captured
from tests.bench.cpu import Meter, Share
from tests.bench.figure import Figure, Scale, in_turn
from tests.bench.servers import run, servers
from tests.bench.streams import Ends
from tests.support.clients import Client
from tests.support.postgres import PostgresServer, free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PEOPLE = 8
"""At once, each with a browser of their own."""
PRODUCTS = 1000
LINES = 5
"""Different products in a cart, about."""
KEY = ("user_id", "product_id")
CART = Table("public", "cart_items")
PROJECTION = Projection(
    CART, CART, tuple((name, name) for name in KEY),
    tuple(Column(name, (name,), "{" + name + "}") for name in (*KEY, "quantity")), Role.PRIMARY, (),
)  # fmt: skip
PLAIN = "legacy_monolith:create_app()"
GUARDED = "proxy.middleware:guard('legacy_monolith:create_app')"


@dataclass(frozen=True)
class Shop:
    """Where the monolith's rows are, and where they are captured to."""

    server: PostgresServer
    ends: Ends


def measure(scale: Scale) -> Sequence[Figure]:
    seconds = scale.of(12, 3)
    scale.say(
        f"load: PUT /api/payments/cart/items/…, {PEOPLE} people; the cart is captured; legacy_monolith/gunicorn.conf.py"
    )
    with servers(2, scale.say) as (here, there):
        shop = Shop(here, Ends(_shop(here), _shop(there), (PROJECTION,), "payments"))
        seed(_owner(here), Size(users=100, products=PRODUCTS, orders=0, seed=1))
        run(shop.ends.source, "update products set is_hidden = false, is_withdrawn = false")
        with _web(shop, PLAIN) as (_, people):
            _busy(people, 1, None)
            most = _busy(people, scale.of(5, 2), None) / scale.of(5, 2)
        rate = most / 2
        scale.say(f"half load: {rate:,.0f} of {most:,.0f} requests/s")

        def share(application: str) -> float:
            with _web(shop, application) as (web, people):
                _busy(people, 1, rate)
                assert here.process is not None
                with Meter(database=here.process.pid, web=web.pid) as meter:
                    count = _busy(people, seconds, rate)
            found = Share(meter, count)
            scale.say(f"{application}: {found}")
            return found.total

        def carried() -> float:
            with captured(shop.ends):
                return share(GUARDED)

        one, other = in_turn(scale.rounds, carried, lambda: share(PLAIN), scale.say)
    return [
        Figure(
            "the monolith's CPU a request, web and database, with capture and fence",
            one,
            other,
            other / one,
            1 / 1.1,
            "µs",
        )
    ]


def _shop(server: PostgresServer) -> str:
    """An empty shop with the monolith's schema; its DSN as superuser."""
    run(server.dsn(), "create role shop_owner login", "create role shop_app login")
    run(server.dsn(), "create database shop owner shop_owner")
    migrate(_owner(server))
    return server.dsn("shop")


def _owner(server: PostgresServer) -> str:
    return f"postgresql+psycopg://shop_owner@127.0.0.1:{server.port}/shop"


@contextmanager
def _web(shop: Shop, application: str) -> Iterator[tuple[subprocess.Popen[bytes], list[Client]]]:
    """The monolith's web server, and people who are logged in; their carts are empty."""
    run(shop.ends.source, "delete from cart_items")
    key, port = shop.server.folder / "identity.pem", free_port()
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    environment = {
        **os.environ, "MONOLITH_BIND": f"127.0.0.1:{port}", "SECRET_KEY": "of a throw-away shop",
        "MONOLITH_DATABASE_URL": _owner(shop.server).replace("shop_owner", "shop_app"),
        "IDENTITY_PRIVATE_KEY_FILE": str(key), "FIG_INTERNAL_URL": "",
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    said = shop.server.folder / "web.log"
    with said.open("ab") as log:
        command = [sys.executable, "-m", "gunicorn", "-c", "legacy_monolith/gunicorn.conf.py", application]
        web = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until(lambda: web.poll() is not None or _answers(url), 120, "the monolith answers")
        people = [_person(url, number) for number in range(1, PEOPLE + 1)]
        yield web, people
        for person in people:
            person.close()
        assert web.poll() is None, said.read_text()
    finally:
        web.terminate()
        web.wait(40)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _person(url: str, number: int) -> Client:
    client = Client(url)
    login = {"email": f"buyer{number}@example.test", "password": PASSWORD}
    answer = client.post("/api/users/login", login)
    assert answer.status == 200, answer
    client.csrf_token = client.get("/api/users/csrf").json()["csrf_token"]
    return client


def _busy(people: Sequence[Client], seconds: float, rate: float | None) -> int:
    """Everybody changes their cart, all together `rate` times a second, or as fast as it goes; how often they did."""
    began = time.monotonic()
    every = len(people) / rate if rate else 0.0

    def one(number: int) -> int:
        done, due = 0, began + every * number / len(people)
        rest = threading.Event()
        while due < began + seconds and time.monotonic() < began + seconds:
            rest.wait(max(0.0, due - time.monotonic()))
            _change(people[number], number, done)
            done, due = done + 1, due + every
        return done

    with ThreadPoolExecutor(len(people)) as pool:
        return sum(pool.map(one, range(len(people))))


def _change(person: Client, number: int, turn: int) -> None:
    product = 1 + number * LINES + turn % LINES
    answer = person.request("PUT", f"/api/payments/cart/items/{product}", {"quantity": 1 + turn % 9})
    assert answer.status == 200, answer
