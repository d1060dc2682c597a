"""The certificates of this machine's proxies, as nginx would read them; another machine's files are not ours to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from migration_plan.doctor.facts import CertificateFile, Validity
from proxy.config import ProxyConfig

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def read(local: Mapping[str, ProxyConfig]) -> Iterator[CertificateFile]:
    """Of proxies by name: what each shows to people, and whom it asks to vouch for its upstreams."""
    for name, config in local.items():
        if config.tls is not None:
            yield _read(name, "the certificate", config.tls.certificate, config.tls.key)
        if config.upstream_authorities is not None:
            yield _read(name, "an authority of the upstreams", config.upstream_authorities)


def _read(proxy: str, what: str, path: Path, key: Path | None = None) -> CertificateFile:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        fits = None if key is None else _fits(found[0], key)
    except (OSError, ValueError, TypeError) as error:
        # TypeError: a key behind a password, which nobody types at nginx's start.
        return CertificateFile(proxy, what, str(path), (), trouble=_said(error))
    known = tuple(
        Validity(one.subject.rfc4514_string(), one.not_valid_before_utc, one.not_valid_after_utc) for one in found
    )
    return CertificateFile(proxy, what, str(path), known, fits)


def _fits(certificate: Certificate, key: Path) -> bool | None:
    """None: whoever asks may not read the key, as nobody but nginx's master need."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except PermissionError:
        return None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _said(error: Exception) -> str:
    """Nothing of what is in the file."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is no PEM that nginx could use"
