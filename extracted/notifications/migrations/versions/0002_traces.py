"""The trace that a message comes from, so that sending it later is a step of that trace."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table message add column traceparent text")


def downgrade() -> None:
    op.execute("alter table message drop column traceparent")
