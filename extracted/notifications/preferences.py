"""What people want to hear of, and how: a row for each choice."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from extracted.notifications.storage import preference, preference_owner
from extracted.platform.database import Database

# Who never chose. The order is that in which clients see them.
DEFAULTS: Mapping[tuple[str, str], bool] = {
    ("email", "orders"): True,
    ("email", "sales"): True,
    ("email", "account"): True,
    ("sms", "orders"): False,
    ("sms", "sales"): False,
}


class Preferences:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, user_id: int) -> dict[tuple[str, str], bool]:
        with self._database.read() as connection:
            return choices_of(connection, user_id)

    def change(self, user_id: int, chosen: Mapping[tuple[str, str], bool]) -> dict[tuple[str, str], bool]:
        """These; all others stay as they are."""
        with self._database.write() as connection:
            if chosen:
                _write(connection, user_id, chosen)
            return choices_of(connection, user_id)


def choices_of(connection: Connection, user_id: int) -> dict[tuple[str, str], bool]:
    columns = (preference.c.channel, preference.c.topic, preference.c.enabled)
    rows = connection.execute(select(*columns).where(preference.c.user_id == user_id))
    return {**DEFAULTS, **{(row.channel, row.topic): row.enabled for row in rows}}


def _write(connection: Connection, user_id: int, chosen: Mapping[tuple[str, str], bool]) -> None:
    """The owner's row comes first and is locked by it, so of two at once the second finds all of the first's."""
    owner = insert(preference_owner).values(user_id=user_id)
    now = {"updated_at": func.now()}
    connection.execute(owner.on_conflict_do_update(index_elements=["user_id"], set_=now))
    key = ["user_id", "channel", "topic"]
    others = [choice for choice in DEFAULTS if choice not in chosen]
    if others:
        rows = [_row(user_id, choice, DEFAULTS[choice]) for choice in others]
        connection.execute(insert(preference).values(rows).on_conflict_do_nothing(index_elements=key))
    rows = [_row(user_id, choice, enabled) for choice, enabled in chosen.items()]
    changed = insert(preference).values(rows)
    connection.execute(changed.on_conflict_do_update(index_elements=key, set_={"enabled": changed.excluded.enabled}))


def _row(user_id: int, choice: tuple[str, str], enabled: bool) -> dict[str, object]:
    channel, topic = choice
    return {"user_id": user_id, "channel": channel, "topic": topic, "enabled": enabled}
