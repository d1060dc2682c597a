"""Only identities that the owner of users has signed count."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import jwt
import pytest

from extracted.platform.identity import Identity, IdentityCheck, require
from extracted.platform.problems import CsrfTokenInvalid, NotAuthenticated, RoleRequired
from tests.integration.catalog.identities import Issuer


@pytest.fixture
def check(issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IdentityCheck:
    monkeypatch.setenv("IDENTITY_PUBLIC_KEY_FILE", str(issuer.write_to(tmp_path)[1]))
    return IdentityCheck.from_environment()


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forgeries(issuer: Issuer) -> dict[str, str]:
    good = issuer.token(7)
    head, body, signature = good.split(".")
    now = int(time.time())
    return {
        "of another key": Issuer().token(7),
        "unsigned": jwt.encode(issuer.claims(7), "", algorithm="none"),
        "signed with the public key as a shared secret": f"{part({'alg': 'HS256'})}.{body}.{signature}",
        "with a changed user": f"{head}.{part(issuer.claims(8))}.{signature}",
        "with a cut signature": good[:-8],
        "expired": issuer.token(7, exp=now - 1),
        "not yet valid": issuer.token(7, nbf=now + 600),
        "for another audience": issuer.token(7, aud="elsewhere"),
        "without audience": jwt.encode(without(issuer.claims(7), "aud"), issuer.key, algorithm="EdDSA"),
        "without expiry": jwt.encode(without(issuer.claims(7), "exp"), issuer.key, algorithm="EdDSA"),
        "without user": jwt.encode(without(issuer.claims(7), "sub"), issuer.key, algorithm="EdDSA"),
        "of no numbered user": jwt.encode({**issuer.claims(7), "sub": "root"}, issuer.key, algorithm="EdDSA"),
        "with roles in one text": issuer.token(7, roles="seller"),
        "of rubbish": "a.b.c",
        "of one word": "seller",
    }


def without(claims: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in claims.items() if key != name}


def test_a_good_token_says_who_asks_in_which_roles(check: IdentityCheck, issuer: Issuer) -> None:
    assert check.identity(issuer.token(7)) == Identity(7, frozenset({"buyer", "seller"}), csrf=True)


def test_no_token_is_nobody(check: IdentityCheck) -> None:
    assert check.identity("") is None


@pytest.mark.parametrize("kind", sorted(forgeries(Issuer())))
def test_a_token_that_is_not_good_is_refused(check: IdentityCheck, issuer: Issuer, kind: str) -> None:
    with pytest.raises(NotAuthenticated):
        check.identity(forgeries(issuer)[kind])


def test_a_remembered_token_expires_all_the_same(
    check: IdentityCheck, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(7, exp=int(time.time()) + 60)
    assert check.identity(token) is not None
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(NotAuthenticated):
        IdentityCheck.identity(check, issuer.token(7, exp=int(later) - 1))
    assert token in check._known
    assert check._known[token][0] < later


def test_several_public_keys_are_accepted_while_keys_are_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Issuer(), Issuer()
    path = tmp_path / "keys.pem"
    path.write_bytes(old.public_pem + new.public_pem)
    monkeypatch.setenv("IDENTITY_PUBLIC_KEY_FILE", str(path))
    check = IdentityCheck.from_environment()
    assert check.identity(old.token(1)) == check.identity(new.token(1))


def test_an_unsafe_method_needs_the_csrf_claim_before_the_role_is_looked_at() -> None:
    buyer = Identity(7, frozenset({"buyer"}), csrf=False)
    with pytest.raises(NotAuthenticated):
        require(None, "POST", "seller")
    with pytest.raises(CsrfTokenInvalid):
        require(buyer, "POST", "seller")
    with pytest.raises(RoleRequired):
        require(buyer, "GET", "seller")
    assert require(buyer, "GET", "buyer") is buyer
