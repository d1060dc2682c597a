"""Requests at rest: nginx alone sends them to the owner, and their figures are added up from lines that it writes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy import nginx, render
from proxy.errors import ProxyUnreachable
from tests.integration.proxy.origin import Answer
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"
NO_DOMAIN = "/elsewhere"
NONE_LET_IN = ("function admit(r) {\n", "function admit(r) {\n    return false;\n")
MUTE = ("        if (!writes(vs)) {\n", "        throw new Error('a script');\n        {\n")


def change_script(monkeypatch, name, *changes):
    """From now on the installed script differs in this."""
    files = render.files

    def changed(*arguments, **options):
        texts = files(*arguments, **options)
        for old, new in changes:
            assert texts[name].count(old) == 1
            texts[name] = texts[name].replace(old, new)
        return texts

    monkeypatch.setattr(render, "files", changed)


@pytest.fixture
def named_world(own_world):
    """Each side says its name."""
    for origin in (own_world.monolith, own_world.catalog, own_world.catalog_two):
        origin.behaviour = lambda arrival, name=origin.name: Answer(headers={"X-Served-By": name})
    return own_world


@pytest.fixture
def scriptless(named_world, monkeypatch):
    """A proxy that answers 503 to whatever needs a script."""
    change_script(monkeypatch, "router.js", MUTE)
    change_script(monkeypatch, "writes.js", NONE_LET_IN)
    nginx.reload(named_world.config)
    return named_world


def mark(domain="catalog"):
    return {"Cookie": f"fig_mark={domain}.0.{int(time.time() * 1000) - 1000}"}


def answered(world, method="GET", path=PATH, headers=None):
    """Who answers each of several new connections, so any worker: a side, or 'script' where one is needed."""
    by = set()
    for _ in range(6):
        connection = http.client.HTTPConnection(world.config.public, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            by.add(answer.headers.get("X-Served-By", "script" if answer.status == 503 else str(answer.status)))
    return " or ".join(sorted(by))


def at_rest(world, side="monolith"):
    wait_until(lambda: answered(world) == side, 5, "reads need no script")


def test_only_writes_and_marks_of_own_writes_need_a_script(scriptless):
    at_rest(scriptless)
    assert answered(scriptless, "HEAD") == "monolith"
    assert answered(scriptless, path=NO_DOMAIN) == "monolith"
    assert answered(scriptless, "POST", NO_DOMAIN) == "monolith"
    assert answered(scriptless, "POST") == "script"
    assert answered(scriptless, headers=mark()) == "script"
    assert answered(scriptless, path=NO_DOMAIN, headers=mark()) == "script"
    for value in ("a;catalog;9 service", "; catalog; 9 service", "\\z"):
        assert answered(scriptless, headers={"Cookie": f"fig_mark={value}"}) in ("monolith", "script")


def test_a_flip_is_followed_at_once_by_every_worker(scriptless):
    at_rest(scriptless)
    epoch = scriptless.client.routes()["catalog"].epoch
    for turn in range(1, 9):
        owner = ("monolith", "service")[turn % 2]
        scriptless.client.set_route("catalog", epoch + turn, owner)
        assert answered(scriptless) == ("monolith", "catalog")[turn % 2]


def test_a_hold_lets_reads_at_rest_go_on(scriptless):
    at_rest(scriptless)
    scriptless.client.hold("catalog", scriptless.client.routes()["catalog"].epoch, 3)
    assert answered(scriptless) == "monolith"


def test_a_canary_and_a_sampling_need_a_script_as_long_as_they_last(scriptless):
    at_rest(scriptless)
    epoch = scriptless.client.routes()["catalog"].epoch
    scriptless.client.canary("catalog", epoch, 1, 500)
    assert answered(scriptless) == "script"
    scriptless.client.canary("catalog", epoch, 2, 0)
    assert answered(scriptless) == "monolith"
    scriptless.client.sample("catalog", 0.5, 0.5)
    assert answered(scriptless) == "script"
    at_rest(scriptless)


def test_the_copy_of_a_route_comes_back_after_a_restart(scriptless):
    epoch = scriptless.client.routes()["catalog"].epoch
    scriptless.client.set_route("catalog", epoch + 1, "service")
    left = scriptless.workers()
    scriptless.stop(signal.SIGKILL)
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    scriptless.start()
    at_rest(scriptless, "catalog")


def test_a_change_that_dies_half_way_leaves_no_old_copy(named_world, monkeypatch):
    world = named_world
    epoch = world.client.routes()["catalog"].epoch
    change_script(
        monkeypatch, "change.js",
        ("    publish(vs, domain);\n}\n\n// A hold", "    process.kill(process.pid, 'SIGKILL');\n}\n\n// A hold"),
        ("async function tend(vs) {", "async function tend(vs) {\n    return;"),
    )  # fmt: skip
    change_script(monkeypatch, "router.js", MUTE)
    nginx.reload(world.config)
    assert answered(world) == "monolith"
    with pytest.raises(ProxyUnreachable):
        world.client.set_route("catalog", epoch + 1, "service")
    wait_until(lambda: world.client.routes()["catalog"].epoch == epoch + 1, 5, "the other worker answers")
    assert answered(world) == "script"


def test_a_write_goes_where_the_route_says_once_it_is_counted_not_where_its_copy_said_before(named_world, monkeypatch):
    world = named_world
    epoch = world.client.routes()["catalog"].epoch + 1
    world.client.set_route("catalog", epoch, "monolith")
    change_script(monkeypatch, "change.js", ("    vs.fig_copy = value;\n", ""))
    nginx.reload(world.config)
    world.client.set_route("catalog", epoch + 1, "service")
    assert answered(world) == "monolith", "reads follow the copy, which is old from now on"
    for body in (None, b"{}"):
        answer = world.user().post(PATH, content=body)
        assert answer.headers["X-Served-By"] == "catalog"
        assert answer.cookies["fig_mark"].startswith(f"catalog.{epoch + 1}.")


def reads(world):
    series = 'fig_proxy_requests_total{domain="catalog",side="monolith",method="read",status="2xx"}'
    pattern = re.compile(re.escape(series) + r" (\d+)")
    found = pattern.search(world.client.metrics())
    return int(found[1]) if found else 0


def test_a_worker_that_is_killed_takes_no_figures_with_it(own_world):
    user = own_world.user()
    for _ in range(50):
        assert user.get(PATH).status_code == 200
    wait_until(
        lambda: len((own_world.config.folder / "figures.0").read_text().splitlines()) >= 50, 5, "they are written"
    )
    for worker in own_world.workers():
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: reads(own_world) == 50, 10, "a new worker has added them up")


def test_the_books_of_figures_take_turns_and_lose_nothing(own_world, monkeypatch):
    change_script(
        monkeypatch,
        "ledger.js",
        ("const FULL = 4000000", "const FULL = 3000"),
        ("SETTLED_MS = 1000", "SETTLED_MS = 400"),
    )
    nginx.reload(own_world.config)
    books = [own_world.config.folder / name for name in nginx.LEDGERS]
    used = set()

    def send(_):
        user = own_world.user()
        for _ in range(150):
            assert user.get(PATH).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, number) for number in range(4)]
        while not all(one.done() for one in sending):
            assert reads(own_world) <= 600
            used |= {book.name for book in books if book.stat().st_size}
        for one in sending:
            one.result()
    wait_until(lambda: reads(own_world) == 600, 5, "all are counted")
    assert used == set(nginx.LEDGERS)
    assert sum(book.stat().st_size for book in books) < 600 * len("catalog|monolith|safe|200|0.000\n")


# A worker that comes by here dies, once: `routes/die` is there.
DIES = "try { fs.unlinkSync(settings.folder + '/routes/die'); process.kill(process.pid, 'SIGKILL'); } catch (e) {}"
LINE = "catalog|monolith|safe|200|0.000\n"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("finish();\n        }\n    } finally", id="nothing-added", marks=pytest.mark.full),
        pytest.param("state.set(found.key, found.value);", id="added-and-not-noted"),
        pytest.param("state.set('place', 1 - open);", id="book-not-turned", marks=pytest.mark.full),
        pytest.param("turn(vs, 1 - open);\n        }", id="requests-not-turned"),
    ],
)
def test_a_worker_that_is_killed_while_it_adds_up_leaves_every_figure_exact(own_world, monkeypatch, before):
    changes = [("const FULL = 4000000", "const FULL = 3000"), ("SETTLED_MS = 1000", "SETTLED_MS = 300")]
    change_script(monkeypatch, "ledger.js", *changes, (before, DIES + before))
    nginx.reload(own_world.config)
    assert reads(own_world) == 0
    death = own_world.config.folder / "routes" / "die"
    death.touch()
    with (own_world.config.folder / "figures.0").open("a") as book:
        book.write(LINE * 120)
    wait_until(lambda: not death.exists(), 10, "a worker has died")
    user = own_world.user()
    for _ in range(20):
        assert user.get(PATH).status_code == 200
    wait_until(lambda: reads(own_world) >= 140, 10, "its successor has added up the rest")
    wait_until(lambda: (own_world.config.folder / "figures.0").stat().st_size == 0, 10, "the full book is emptied")
    for _ in range(20):
        assert user.get(PATH).status_code == 200
    wait_until(lambda: reads(own_world) >= 160, 10, "those after it")
    assert reads(own_world) == 160
