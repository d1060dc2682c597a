"""TLS and HTTP/2 towards people, TLS towards upstreams: hold and bounce are as they are in the clear."""

from __future__ import annotations

import hashlib
import random
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from proxy import nginx
from proxy.errors import NginxRefused
from proxy.tls import fingerprint
from tests.integration.proxy.origin import Answer, fenced
from tests.support import curl
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"


def epoch_of(world):
    return world.client.routes()["catalog"].epoch


def address(world, path=PATH):
    return f"https://{world.config.public}{path}"


def test_applications_learn_that_people_came_over_tls_and_our_cookies_stay_there(tls_world):
    answer = tls_world.user().post(PATH, content=b"x")
    assert answer.text == "monolith"
    assert tls_world.monolith.arrivals[0].headers["x-forwarded-proto"] == "https"
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_whoever_comes_in_the_clear_is_sent_to_https_with_method_and_body_kept(tls_world):
    answer = tls_world.user(tls_world.config.tls.redirect).post(f"{PATH}?a=1", content=b"x")
    port = tls_world.config.public.rpartition(":")[2]
    assert (answer.status_code, answer.headers["location"]) == (308, f"https://127.0.0.1:{port}{PATH}?a=1")


@pytest.mark.parametrize("taker", ["service", "monolith"])
def test_a_bounce_goes_from_an_upstream_in_the_clear_to_one_over_tls_and_back(tls_world, taker):
    world, epoch, service = tls_world, epoch_of(tls_world), (tls_world.catalog, tls_world.catalog_two)
    givers, takers = ((world.monolith,), service) if taker == "service" else (service, (world.monolith,))
    if taker == "monolith":
        epoch = world.client.set_route("catalog", epoch + 1, "service").epoch
    for origin in givers:
        origin.behaviour = fenced(epoch=epoch + 1)
    for origin in takers:
        origin.behaviour = lambda _: Answer(201, b"done")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.user().post, PATH, content=b"x" * 100_000)
        wait_until(lambda: any(origin.arrivals for origin in givers), 10, "it was refused")
        world.client.set_route("catalog", epoch + 1, taker)
        assert (waiting.result().status_code, waiting.result().text) == (201, "done")


def test_an_upstream_whose_certificate_is_somebody_elses_gets_nothing(tls_world):
    world = tls_world
    world.client.set_route("catalog", epoch_of(world) + 1, "service")
    assert world.user().post(PATH, content=b"secret").status_code == 200
    before = world.served()
    other = tuple(replace(one, tls_name=one.tls_name and "other.internal") for one in world.config.upstreams)
    nginx.reload(replace(world.config, upstreams=other))
    try:
        assert world.user().post(PATH, content=b"secret").status_code == 502
        assert world.served() == before
    finally:
        nginx.reload(world.config)


def test_a_renewed_certificate_is_shown_after_a_reload_that_fails_no_request(tls_world):
    world, stop = tls_world, threading.Event()
    place = urlsplit(address(world))

    def shown():
        return ssl.get_server_certificate((place.hostname, place.port), ca_certs=str(world.authority.file))

    def ask():
        user, statuses = world.user(), []
        while not stop.is_set():
            statuses.append(user.post(PATH, content=b"x").status_code)
        return statuses

    first, old = shown(), fingerprint(world.config.tls, world.config.upstream_authorities)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        # One connection of HTTP/2, one request after the other. One that is sent while the old worker ends it was not
        # begun, and may be sent again, as browsers do (RFC 9113, 8.7): none may arrive twice.
        many = curl.start(
            "-o", "/dev/null", "-d", "x", "--retry", "1", "--retry-all-errors", address(world, "/n?[1-400]"),
            authority=world.authority.file,
        )  # fmt: skip
        wait_until(lambda: any(one.path.startswith("/n?5") for one in world.monolith.arrivals), 20, "it is under way")
        world.authority.issue("shown")
        nginx.reload(world.config)
        seen = curl.answers(many)
        stop.set()
        statuses = [status for one in asking for status in one.result()]
    assert fingerprint(world.config.tls, world.config.upstream_authorities) != old
    assert shown() != first
    assert set(statuses) == {200}
    assert {(one.status, one.version) for one in seen} == {(200, "2")}
    assert len(seen) == 400
    arrived = Counter(one.path for one in world.monolith.arrivals if one.path.startswith("/n?"))
    assert sorted(arrived.values()) == [1] * 400
    assert len({one.port for one in seen}) == 2, "the old worker has ended its connection in between"


def test_a_certificate_that_is_none_changes_nothing(tls_world):
    world = tls_world
    file = world.config.tls.certificate
    kept = file.read_bytes()
    file.write_bytes(b"none")
    try:
        with pytest.raises(NginxRefused, match="certificate"):
            nginx.reload(world.config)
    finally:
        file.write_bytes(kept)
    assert world.user().get("/x").text == "monolith"


def test_a_held_request_holds_no_other_one_of_its_http2_connection(tls_world, tmp_path):
    world, epoch = tls_world, epoch_of(tls_world)
    world.client.hold("catalog", epoch, 10)
    written, read = tmp_path / "written", tmp_path / "read"
    running = curl.start(
        "-Z", "-o", str(written), "-d", "x", address(world), "--next", "-o", str(read), address(world),
        authority=world.authority.file,
    )  # fmt: skip
    wait_until(lambda: read.exists() and read.read_text() == "monolith", 10, "the read was answered")
    assert not written.exists()
    world.client.set_route("catalog", epoch + 1, "service")
    seen = curl.answers(running)
    assert [(one.status, one.version) for one in seen] == [(200, "2")] * 2
    assert len({one.port for one in seen}) == 1, "one connection"
    assert written.read_text() == "catalog"


@pytest.mark.parametrize("length", ["known", "unknown"])
def test_a_bounced_http2_request_arrives_whole_at_the_new_owner(tls_world, tmp_path, length):
    world, epoch = tls_world, epoch_of(tls_world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    body, answer = random.Random(7).randbytes(3_000_000), tmp_path / "answer"
    (tmp_path / "body").write_bytes(body)
    source = ["--data-binary", f"@{tmp_path / 'body'}"] if length == "known" else ["-X", "POST", "-T", "-"]
    command = ["-o", str(answer), *source, "-H", "Expect:", address(world)]
    running = curl.start(
        *command, authority=world.authority.file, body=None if length == "known" else tmp_path / "body"
    )
    wait_until(lambda: world.monolith.arrivals, 20, "the old owner refused")
    world.client.set_route("catalog", epoch + 1, "service")
    assert [(one.status, one.version) for one in curl.answers(running)] == [(200, "2")]
    [arrival] = world.catalog.arrivals + world.catalog_two.arrivals
    assert arrival.digest == hashlib.sha256(body).hexdigest()
    assert answer.read_text() == "catalog"
