"""How this shop takes payments, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from legacy_monolith.payments.gateway import Gateway

STRIPE_SETTINGS = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")


def from_settings(settings: Mapping[str, Any]) -> Gateway | None:
    """None without settings: a shop that places orders and takes no money."""
    if not settings["STRIPE_SECRET_KEY"]:
        return None
    # A large library: only who takes payments waits for it.
    from legacy_monolith.payments.stripe_gateway import StripeGateway

    return StripeGateway(settings["STRIPE_SECRET_KEY"], settings["STRIPE_BASE_URL"])
