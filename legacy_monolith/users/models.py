"""Accounts, the codes sent to prove a phone number, and the rate limits."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from legacy_monolith.database import db


class User(db.Model):  # type: ignore[name-defined]
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role in ('buyer', 'seller')", name="role"),
        CheckConstraint("(phone is null) = (phone_verified_at is null)", name="phone"),
        Index("users_email_key", text("lower(email)"), unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    # Every session carries the epoch it began in; one step on ends all sessions of the user.
    session_epoch: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    # Only a number that was proved is kept here.
    phone: Mapped[str | None] = mapped_column(Text)
    phone_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PhoneCode(db.Model):  # type: ignore[name-defined]
    """One code sent, or about to be: the row is there before the message is, and says what became of it.

    The digits are in no column: they follow from the row and the application's secret key.
    intended -> sent | refused (the number) | failed (surely not sent) | in_doubt; what stays intended is in doubt, too.
    """

    __tablename__ = "phone_codes"
    __table_args__ = (
        CheckConstraint("state in ('intended', 'sent', 'refused', 'failed', 'in_doubt')", name="state"),
        CheckConstraint("attempts between 0 and 5", name="attempts"),
        Index("phone_codes_user_id_created_at_idx", "user_id", "created_at"),
        Index("phone_codes_created_at_idx", "created_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    phone: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    # What the carrier calls the message.
    reference: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RateLimit(db.Model):  # type: ignore[name-defined]
    """`free_at` is when all that was used is given back; a row whose moment has passed says nothing."""

    __tablename__ = "rate_limits"
    __table_args__ = (Index("rate_limits_free_at_idx", "free_at"),)

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    free_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
