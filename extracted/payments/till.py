"""How this shop takes payments, as its environment says."""

from __future__ import annotations

import os
from dataclasses import dataclass

from extracted.payments.gateway import Gateway
from extracted.platform.settings import setting

SCRIPT_URL = "https://js.stripe.com/v3/"


@dataclass(frozen=True)
class Till:
    """How this shop takes payments."""

    gateway: Gateway
    webhook_secret: str
    # For Stripe's own code in the browser, and where that is; no secret. Empty: there is nothing to load.
    publishable_key: str
    script_url: str

    @classmethod
    def from_environment(cls) -> Till | None:
        """None without settings: a shop that places orders and takes no money. With half of them, one was forgotten."""
        if not (os.environ.get("STRIPE_SECRET_KEY") or os.environ.get("STRIPE_WEBHOOK_SECRET")):
            return None
        # A large library: only who takes payments waits for it.
        from extracted.payments.stripe_gateway import StripeGateway

        gateway = StripeGateway(setting("STRIPE_SECRET_KEY"), os.environ.get("STRIPE_BASE_URL", ""))
        key = os.environ.get("STRIPE_PUBLISHABLE_KEY", "")
        return cls(gateway, setting("STRIPE_WEBHOOK_SECRET"), key, os.environ.get("STRIPE_SCRIPT_URL", SCRIPT_URL))

    def close(self) -> None:
        self.gateway.close()
