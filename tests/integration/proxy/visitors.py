"""Many visitors of a proxy, and who answers each of them."""

from __future__ import annotations

import random
import socket

PATH = "/api/catalog/products"


def visitor(number):
    return random.Random(number).randbytes(16).hex()


def sides(world, visitors, path=PATH):
    """Who answers each of them, over plain connections, for there are thousands; each gets a 200."""
    found, left = [], list(reversed(visitors))
    host, _, port = world.config.public.partition(":")
    while left:
        with socket.create_connection((host, int(port)), 30) as connection, connection.makefile("rb") as answers:
            is_open = True
            while left and is_open:
                text = f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: fig_visitor={left.pop()}\r\n\r\n"
                connection.sendall(text.encode())
                assert answers.readline().startswith(b"HTTP/1.1 200 ")
                headers = {}
                while (line := answers.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                found.append(answers.read(int(headers["content-length"])).decode())
                is_open = headers["connection"] != "close"
    return found
