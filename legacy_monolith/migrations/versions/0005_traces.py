"""The trace that a message comes from, so that sending it later is a step of that trace."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table notification_messages add column traceparent text")


def downgrade() -> None:
    op.execute("alter table notification_messages drop column traceparent")
