"""What a service's methods find on `self`, made once per process when the service starts."""

from __future__ import annotations

from typing import Any

from nameko.extensions import DependencyProvider

from extracted.platform.database import Database
from extracted.platform.errors import ServiceUnknown


class DatabaseOf(DependencyProvider):  # type: ignore[misc,unused-ignore]
    """`database = DatabaseOf("CATALOG_DATABASE_URL")`: the database that this variable names."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def setup(self) -> None:
        # As many connections as workers: otherwise these would wait for each other.
        self._database = Database.from_environment(
            self._variable, self.container.service_name, self.container.max_workers
        )

    def get_dependency(self, worker_ctx: Any) -> Database:
        return self._database

    def answers(self) -> bool:
        return self._database.answers()

    @property
    def database(self) -> Database:
        return self._database

    def stop(self) -> None:
        self._database.close()


def database_of(container: Any) -> Database:
    """The database of a service that has been set up; what listens or ticks asks it who owns the domain."""
    for dependency in container.dependencies:
        if isinstance(dependency, DatabaseOf):
            return dependency.database
    raise ServiceUnknown(container.service_name, "a service with events or timers needs a DatabaseOf")
