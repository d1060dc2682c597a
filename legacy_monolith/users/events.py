"""What users tells others, each in the transaction of what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from legacy_monolith.event import Event, identity
from legacy_monolith.telling import tell


def signed_up(user_id: int) -> None:
    _tell("user.signed_up", user_id)


def password_changed(user_id: int, session_epoch: int) -> None:
    _tell("user.password_changed", user_id, session_epoch)


def email_changed(user_id: int, old_email: str) -> None:
    """Nothing counts these changes: their moment tells them apart."""
    _tell("user.email_changed", user_id, datetime.now(UTC).isoformat(), old_email=old_email)


def phone_verified(user_id: int, code_id: UUID) -> None:
    _tell("user.phone_verified", user_id, code_id)


def logged_out_everywhere(user_id: int, session_epoch: int) -> None:
    _tell("user.logged_out_everywhere", user_id, session_epoch)


def _tell(kind: str, user_id: int, *more: object, **facts: Any) -> None:
    tell("users", Event(identity("users", user_id, kind, *more), kind, {"user_id": user_id, **facts}))
