"""TLS of a proxy: the certificate that its people see, and the authorities that vouch for its upstreams.

    Tls(certificate, key, redirect=None)   # PEM files; the certificate's with its chain. redirect: "host:port" of plain
                                           # HTTP, where everybody is sent to https with method and body kept (308)

An upstream with a `tls_name` is asked over https under that name, and only if its certificate is vouched for by
`upstream_authorities` (a PEM file); there is no way to leave that out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.patterns import ADDRESS, FOLDER, HOST
from proxy.routes import Upstream


@dataclass(frozen=True)
class Tls:
    """Read by nginx's master, so that its workers need no right to read the key."""

    certificate: Path
    key: Path
    redirect: str | None = None


def tls_problems(
    tls: Tls | None, authorities: Path | None, upstreams: Sequence[Upstream], listeners: Sequence[str]
) -> Iterator[str]:
    """What is wrong with the TLS of a configuration, each in one sentence. The first listener is the public one."""
    if tls is not None:
        for name in ("certificate", "key"):
            if not FOLDER.fullmatch(str(getattr(tls, name))):
                yield f"tls {name} {str(getattr(tls, name))!r} must be an absolute path of plain characters"
        redirect = tls.redirect
        if redirect is not None and not ADDRESS.fullmatch(redirect):
            yield f"tls redirect {redirect!r} is not an address like 0.0.0.0:80"
        if redirect in listeners:
            yield "tls redirect and the other listeners must be different addresses"
        if listeners[0].startswith("unix:"):
            yield "tls needs a public address with a port"
    if authorities is not None and not FOLDER.fullmatch(str(authorities)):
        yield f"upstream_authorities {str(authorities)!r} must be an absolute path of plain characters"
    for upstream in upstreams:
        if upstream.tls_name is not None and not HOST.fullmatch(upstream.tls_name):
            yield f"tls_name {upstream.tls_name!r} of upstream {upstream.name!r} must be a host name in small letters"
        if upstream.tls_name is not None and authorities is None:
            yield f"upstream {upstream.name!r} has a tls_name, but there are no upstream_authorities to vouch for it"


def fingerprint(tls: Tls | None, authorities: Path | None) -> str:
    """Of the files as they are now; a renewed certificate is a change of the configuration. '' without TLS."""
    files = [tls.certificate, tls.key] if tls else []
    files += [authorities] if authorities else []
    if not files:
        return ""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
