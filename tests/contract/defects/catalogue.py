"""All seeded defects, by service."""

from __future__ import annotations

from tests.contract.defects.catalog import CATALOG
from tests.contract.defects.defect import Defect
from tests.contract.defects.notifications import NOTIFICATIONS
from tests.contract.defects.payments import PAYMENTS
from tests.contract.defects.users import USERS

DEFECTS: dict[str, tuple[Defect, ...]] = {
    "catalog": CATALOG,
    "users": USERS,
    "payments": PAYMENTS,
    "notifications": NOTIFICATIONS,
}
