"""Bodies that are large, slow, of unknown length, or never finished: nobody waits for them, and none is sent twice."""

from __future__ import annotations

import contextlib
import hashlib
import random
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy import nginx
from tests.integration.proxy.origin import Answer, at_least, fenced
from tests.support.waiting import wait_until

PATH = "/api/catalog/products"
MB = 1024**2


def epoch_of(world):
    return world.client.routes()["catalog"].epoch


class Slow:
    """A client that sends its body when it is told to. `begin` returns once the proxy is reading it."""

    def __init__(self, world, body: bytes, chunked: bool = False, key: str = "") -> None:
        host, _, port = world.config.public.partition(":")
        self.body, self._chunked, self._key, self._sent = body, chunked, key, 0
        self._connection = socket.create_connection((host, int(port)), timeout=30)

    def begin(self) -> None:
        length = "Transfer-Encoding: chunked" if self._chunked else f"Content-Length: {len(self.body)}"
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Test-Key: {self._key}\r\nExpect: 100-continue\r\n"
        self._connection.sendall(f"{head}Connection: close\r\n{length}\r\n\r\n".encode())
        assert self._connection.recv(1000).startswith(b"HTTP/1.1 100 ")

    def send(self, size: int | None = None) -> None:
        """The next bytes of the body, or all that are left."""
        piece = self.body[self._sent : None if size is None else self._sent + size]
        self._sent += len(piece)
        last = b"0\r\n\r\n" if self._sent == len(self.body) else b""
        self._connection.sendall(b"%x\r\n%b\r\n%b" % (len(piece), piece, last) if self._chunked else piece)

    def answer(self) -> bytes:
        """All of it."""
        parts = []
        while part := self._connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)

    def leave(self) -> None:
        self._connection.close()


@contextmanager
def slow(world, size: int, chunked: bool = False) -> Iterator[Slow]:
    client = Slow(world, random.Random(size).randbytes(size), chunked)
    try:
        yield client
    finally:
        client.leave()


def files(world) -> list[str]:
    """The bodies that nginx keeps on disk: files without a name, so that not even a crash leaves any of them there."""
    folder, found = f"{world.config.folder}/body/", []
    for worker in world.workers():
        for opened in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # It was closed while we looked.
                found.append(str(opened.readlink()))
    return [path for path in found if path.startswith(folder)]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_body_that_is_still_coming_keeps_no_switch_waiting_and_goes_to_the_new_owner(world, size, chunked):
    epoch = epoch_of(world)
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    with slow(world, size, chunked) as client:
        client.begin()
        client.send(size // 2)
        world.client.hold("catalog", epoch, 10)
        assert world.client.inflight("catalog") == 0
        world.client.set_route("catalog", epoch + 1, "service")
        client.send()
        assert client.answer().endswith(b"catalog")
        [arrival] = world.catalog.arrivals + world.catalog_two.arrivals
    assert (arrival.size, arrival.digest) == (size, hashlib.sha256(client.body).hexdigest())
    assert not world.monolith.arrivals, "it was never sent to the old owner"


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_body_that_is_whole_during_a_hold_waits_for_its_end(world, size):
    epoch = epoch_of(world)
    world.client.hold("catalog", epoch, 10)
    with slow(world, size) as client:
        client.begin()
        client.send()
        assert world.client.inflight("catalog") == 0
        world.client.set_route("catalog", epoch + 1, "service")
        assert client.answer().endswith(b"catalog")
    assert (len(world.monolith.arrivals), world.served()) == (0, 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_leaves_in_the_middle_of_its_body_has_written_nothing(world, chunked):
    with slow(world, 300_000, chunked) as client:
        client.begin()
        client.send(200_000)
        wait_until(lambda: files(world), 10, "it is received to disk")
    wait_until(lambda: not files(world), 10, "what had come of it is gone")
    assert world.client.inflight("catalog") == 0
    assert not world.monolith.arrivals


def test_a_body_of_unknown_length_is_refused_where_it_becomes_too_large(world):
    most = world.config.largest_body

    def pieces() -> Iterator[bytes]:
        for _ in range(most // MB + 1):
            yield bytes(MB)

    answer = world.user().post(PATH, content=pieces())
    assert answer.status_code == 413
    assert not world.monolith.arrivals
    wait_until(lambda: not files(world), 10, "what had come of it is gone")


def test_whoever_leaves_while_held_with_all_of_it_sent_has_written_once(world):
    """Nobody can tell a client that left from one that waits, so the application decides nothing anew for either."""
    epoch, clients = epoch_of(world), []
    world.client.hold("catalog", epoch, 10)
    for number in range(20):
        client = Slow(world, bytes(5 if number % 2 else 50_000), key=f"left-{number}")
        client.begin()
        client.send()
        clients.append(client)
    for client in clients:
        client.leave()
    world.client.set_route("catalog", epoch + 1, "service")
    wait_until(lambda: world.served() >= 20, 10, "all are carried out")
    wait_until(lambda: world.client.inflight("catalog") == 0, 10, "nothing is in flight")
    once = {f"left-{number}": 1 for number in range(20)}
    assert world.catalog.accepted() + world.catalog_two.accepted() == once
    assert not world.monolith.arrivals


def memory(world) -> int:
    """The most that any worker has ever had, in bytes."""
    return max(
        int(line.split()[1]) * 1024
        for worker in world.workers()
        for line in Path(f"/proc/{worker}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )


@pytest.mark.parametrize("size", [24 * MB, pytest.param(200 * MB, marks=pytest.mark.full)])
def test_large_bodies_are_held_and_bounced_from_disk_and_leave_nothing_there(own_world, size):
    world, epoch = own_world, epoch_of(own_world)
    world.config = replace(world.config, largest_body=300 * MB)
    nginx.reload(world.config)
    world.user().post(PATH, content=b"warm")
    before, body = memory(world), random.Random(1).randbytes(size)
    world.monolith.arrivals.clear()
    world.monolith.behaviour = fenced(epoch=epoch + 1)
    for origin in (world.catalog, world.catalog_two):
        origin.behaviour = lambda arrival: Answer(body=arrival.digest.encode())
    with ThreadPoolExecutor(2) as pool:
        refused = [pool.submit(world.user().post, PATH, content=body) for _ in range(2)]
        wait_until(at_least(world.monolith.arrivals, 2), 60, "both were refused by the old owner")
        world.client.hold("catalog", epoch, 60)
        held = pool.submit(world.user().post, PATH, content=body)
        world.client.set_route("catalog", epoch + 1, "service")
        answers = [one.result() for one in (*refused, held)]
    assert {one.text for one in answers} == {hashlib.sha256(body).hexdigest()}
    assert world.served() == 3
    assert memory(world) - before < 8 * MB
    wait_until(lambda: not files(world), 10, "nothing is left on disk")


@pytest.mark.parametrize("pieces", ["together", "head first", "a little with the head", "in the head's middle"])
def test_a_write_goes_on_however_its_bytes_are_cut_into_packets(identity_world, pieces):
    """Together they are longer than the buffer for heads, so a part of the body is in it and the rest is not."""
    host, port = identity_world.config.public.split(":")
    for length in range(10, 3000, 230):
        body = b"x" * length
        head = (
            f"POST /api/catalog/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        cut = {"together": 0, "head first": len(head), "a little with the head": len(head) + 8}.get(pieces, 30)
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall((head + body)[:cut])
            select.select([connection], [], [], 0.01 if cut else 0)  # So that it is a packet of its own.
            connection.sendall((head + body)[cut:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200"), length
