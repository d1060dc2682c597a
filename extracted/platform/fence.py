"""The database's refusal of a write on the side that does not own the domain.

Its SQLSTATE is SF421; the detail is JSON that names domain and epoch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

FENCED = "SF421"


@dataclass(frozen=True)
class Fence:
    domain: str
    epoch: int

    @property
    def header(self) -> str:
        return f"{self.domain} {self.epoch}"


def fence_of(error: DBAPIError) -> Fence | None:
    """The fence that raised this error, if one did."""
    if getattr(error.orig, "pgcode", None) != FENCED:
        return None
    detail = json.loads(error.orig.diag.message_detail)  # type: ignore[union-attr]
    return Fence(domain=str(detail["domain"]), epoch=int(detail["epoch"]))
