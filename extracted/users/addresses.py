"""Where a request came from, as far as can be believed. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# A provider gives each customer at least that much: single addresses of it are had for nothing.
IPV6_CUSTOMER = 64


def networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses and networks."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The client in a form that one client cannot vary: what a trusted proxy says, else whoever is connected."""
    connected = _read(peer)
    if connected is None:
        return peer
    said = _read(forwarded) if any(connected in network for network in proxies) else None
    client = said or connected
    if isinstance(client, IPv6Address):
        return str(IPv6Network((client, IPV6_CUSTOMER), strict=False))
    return str(client)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    # An IPv4 client on an IPv6 socket is the same client.
    return getattr(address, "ipv4_mapped", None) or address
