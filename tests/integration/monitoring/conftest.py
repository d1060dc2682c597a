"""A small domain with both streams, a journal, a real proxy and a controller that shows figures; faults are real."""

from __future__ import annotations

from tests.integration.plan.conftest import journal_server, made, world

__all__ = ["journal_server", "made", "world"]
