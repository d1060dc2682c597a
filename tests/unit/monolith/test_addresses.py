"""Whom a request is counted for."""

from __future__ import annotations

import pytest

from legacy_monolith.users.addresses import client_address, networks

PROXIES = networks("127.0.0.0/8, ::1, 10.1.2.3")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", " 203.0.113.7 ", "203.0.113.7"),
        ("::1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.4", "203.0.113.7", "10.1.2.4"),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "somewhere", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, 198.51.100.9", "127.0.0.1"),
        ("", "203.0.113.7", ""),
    ],
)
def test_only_a_proxy_of_ours_is_believed(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_all_addresses_of_one_ipv6_customer_are_one_client() -> None:
    one, same, other = (
        client_address(peer, "", PROXIES) for peer in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    )
    assert one == same != other


def test_an_ipv4_client_is_the_same_on_either_kind_of_socket() -> None:
    assert client_address("::ffff:203.0.113.7", "", PROXIES) == client_address("203.0.113.7", "", PROXIES)


def test_what_is_no_network_is_refused() -> None:
    assert networks("") == ()
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        networks("10.0.0.1/8")
