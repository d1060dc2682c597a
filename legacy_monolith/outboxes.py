"""What users and payments tell others once these live elsewhere: rows that are published from the database's log."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Index, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from legacy_monolith.database import db


class Telling:
    """`payload` is the whole event."""

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class UsersOutbox(Telling, db.Model):  # type: ignore[name-defined]
    __tablename__ = "users_outbox"
    __table_args__ = (Index("users_outbox_created_at_idx", "created_at"),)


class PaymentsOutbox(Telling, db.Model):  # type: ignore[name-defined]
    __tablename__ = "payments_outbox"
    __table_args__ = (Index("payments_outbox_created_at_idx", "created_at"),)


OUTBOXES: dict[str, Table] = {"users": UsersOutbox.__table__, "payments": PaymentsOutbox.__table__}
