"""Users: two people with a browser each, one who opened a second browser, and a visitor.

A second browser never fetches a CSRF token. Codes are those that arrived at the carrier, or wrong.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

import legacy_monolith.openapi
from tests.contract.differential.domain import Domain, Noise, Ref, Same, Step

ADA = {"email": "ada@example.org", "password": "correct horse", "name": "Ada", "role": "buyer"}
BOB = {"email": "Bob@Example.org", "password": "battery staple", "name": "Bob", "role": "buyer"}
USER = Same("user")

_email = st.sampled_from(["ada@example.org", "ADA@example.org", "bob@example.org", "new@example.org", "no-address"])
_password = st.sampled_from(["correct horse", "battery staple", "another one", "short"])


def _post(actor: str, path: str, operation: str, body: dict[str, object] | None = None) -> Step:
    return Step(actor, "POST", f"/api/users/{path}", operation, body=body, has_body=body is not None)


def _token(actor: str) -> Step:
    return Step(actor, "GET", "/api/users/csrf", "getCsrfToken")


def _verify(actor: str, number: int) -> Step:
    return _post(actor, "phone/verify", "verifyPhone", {"code": Ref("code", number)})


def _session(actor: str) -> Step:
    headers = (("X-Original-Method", "POST"),)
    return Step(actor, "GET", "/internal/users/session", "getSessionStatement", headers=headers)


USERS = Domain(
    name="users",
    document=Path(legacy_monolith.openapi.__file__).with_name("users.yml"),
    actors=("ada", "ada", "ada", "bob", "second-browser", "visitor"),
    prelude=(
        _post("ada", "signup", "signUp", dict(ADA)),
        _token("ada"),
        _post("bob", "signup", "signUp", dict(BOB)),
        _token("bob"),
        _post("second-browser", "login", "logIn", {"email": "ADA@example.org", "password": ADA["password"]}),
        _post("ada", "phone", "sendCode", {"phone": "+4915112345678"}),
        _verify("ada", 0),
        _post("bob", "phone", "sendCode", {"phone": "+4915187654321"}),
        _post("bob", "phone/verify", "verifyPhone", {"code": "12345"}),
        _post("bob", "phone/verify", "verifyPhone", {"code": "000000"}),
        _session("ada"),
        _session("second-browser"),
        _post("bob", "seller", "becomeSeller"),
        Step("visitor", "GET", "/internal/users/{id}/contact", "getContact", (("id", Ref("user", 0)),)),
    ),
    hints={
        "email": _email,
        "password": _password,
        "current_password": _password,
        "new_password": _password,
        "name": st.sampled_from(["Ada", "  Ada  ", "é"]),
        "phone": st.sampled_from(["+4915112345678", "+4915187654321", "0151"]),
        "code": st.one_of(st.builds(Ref, st.just("code"), st.integers(0, 3)), st.sampled_from(["000000", "12345"])),
        "id": st.one_of(st.builds(Ref, st.just("user"), st.integers(0, 1)), st.just(10**12)),
        "X-Original-Method": st.sampled_from(["GET", "POST"]),
        "X-CSRF-Token": st.just("not a token"),
    },
    learned={"signUp": ("user", "id"), "getMe": ("user", "id")},
    fields={
        "id": USER,
        "sub": Same("subject"),
        "iat": Noise.TOKEN,
        "exp": Noise.TOKEN,
        "csrf_token": Noise.TOKEN,
        "user_id": USER,
        "occurred_at": Noise.TOKEN,
        "created_at": Noise.MOMENT,
        "expires_at": Noise.MOMENT,
        "detail": Noise.WORDS,
        "message": Noise.WORDS,
        "next_step": Noise.WORDS,
    },
    # Both have keys that are drawn or made of such.
    order={"outbox": "created_at", "code": "created_at"},
    columns={
        "account.id": USER,
        "account.created_at": Noise.MOMENT,
        "credential.account_id": USER,
        # Salted; that the right password opens the account is what the answers show.
        "credential.password_hash": Noise.TOKEN,
        "verification.account_id": USER,
        "verification.verified_at": Noise.MOMENT,
        "code.id": Same("code"),
        "code.account_id": USER,
        "code.reference": Noise.TOKEN,
        "code.used_at": Noise.MOMENT,
        "code.created_at": Noise.MOMENT,
        "code.expires_at": Noise.MOMENT,
        "outbox.id": Same("event"),
        "outbox.created_at": Noise.MOMENT,
        "rate_limit.free_at": Noise.MOMENT,
    },
)
