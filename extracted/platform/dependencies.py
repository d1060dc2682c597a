"""What a service's methods find on `self`, made once per process when the service starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nameko.extensions import DependencyProvider

from extracted.platform.database import Database


class DatabaseOf(DependencyProvider):  # type: ignore[misc,unused-ignore]
    """`catalogue = DatabaseOf("CATALOG_DATABASE_URL", Catalogue)`: built upon the service's database."""

    def __init__(self, variable: str, build: Callable[[Database], Any]) -> None:
        self._variable = variable
        self._build = build

    def setup(self) -> None:
        workers = self.container.max_workers
        self._database = Database.from_environment(self._variable, self.container.service_name, workers)
        self._built = self._build(self._database)

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._built

    def answers(self) -> bool:
        return self._database.answers()

    def stop(self) -> None:
        self._database.close()
