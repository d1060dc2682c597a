"""Settings from the environment. Secrets have no defaults: what is missing is named, all at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from legacy_monolith.errors import SettingsMissing
from legacy_monolith.notifications.mail import MAIL_SETTINGS
from legacy_monolith.payments.till import STRIPE_SETTINGS
from legacy_monolith.users.addresses import networks
from legacy_monolith.users.carrier import TWILIO_SETTINGS

REQUIRED = {
    "MONOLITH_DATABASE_URL": "SQLALCHEMY_DATABASE_URI",
    "SECRET_KEY": "SECRET_KEY",
    "IDENTITY_PRIVATE_KEY_FILE": "IDENTITY_PRIVATE_KEY_FILE",
}

# For Stripe's code in the browser: which shop it is, and where the code comes from.
BROWSER_SETTINGS = {"STRIPE_PUBLISHABLE_KEY": "", "STRIPE_SCRIPT_URL": "https://js.stripe.com/v3/"}

FIXED: dict[str, Any] = {
    "MAX_CONTENT_LENGTH": 256 * 1024,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "REMEMBER_COOKIE_NAME": "remember_token",
    "REMEMBER_COOKIE_HTTPONLY": True,
    "REMEMBER_COOKIE_SAMESITE": "Lax",
    # No login, remembered or not, lasts longer.
    "REMEMBER_COOKIE_DURATION": timedelta(days=30),
    # The session itself ends with the browser; the token lives as long as the session.
    "WTF_CSRF_TIME_LIMIT": None,
    "WTF_CSRF_CHECK_DEFAULT": False,
    "WTF_CSRF_HEADERS": ["X-CSRF-Token"],
    "SQLALCHEMY_RECORD_QUERIES": False,
    # How long a request repeats a call to another side whose outcome it does not know.
    "SEAM_PATIENCE_SECONDS": 10.0,
}


def settings_from_environment(overrides: Mapping[str, Any]) -> dict[str, Any]:
    settings = {**FIXED, "INTERNAL_URL": os.environ.get("FIG_INTERNAL_URL", "")}
    settings["SESSION_COOKIE_SECURE"] = os.environ.get("SESSION_COOKIE_SECURE", "") == "1"
    # Whose X-Real-IP is believed.
    settings["TRUSTED_PROXIES"] = networks(os.environ.get("TRUSTED_PROXIES", "127.0.0.0/8, ::1"))
    # Newest first; they are still believed, and never used to sign.
    settings["SECRET_KEY_FALLBACKS"] = os.environ.get("SECRET_KEY_FALLBACKS", "").split()
    settings["IDENTITY_PUBLIC_KEY_FILE"] = os.environ.get("IDENTITY_PUBLIC_KEY_FILE", "")
    settings.update({name: os.environ.get(name, "") for name in (*TWILIO_SETTINGS, "TWILIO_BASE_URL")})
    settings.update({name: os.environ.get(name) or otherwise for name, otherwise in BROWSER_SETTINGS.items()})
    settings.update({name: os.environ.get(name, "") for name in (*STRIPE_SETTINGS, "STRIPE_BASE_URL")})
    settings.update({name: os.environ.get(name, "") for name in MAIL_SETTINGS})
    settings.update({name: os.environ[variable] for variable, name in REQUIRED.items() if variable in os.environ})
    settings.update(overrides)
    # The present key comes last here.
    settings["WTF_CSRF_SECRET_KEY"] = [*reversed(settings["SECRET_KEY_FALLBACKS"]), settings.get("SECRET_KEY")]
    settings["REMEMBER_COOKIE_SECURE"] = settings["SESSION_COOKIE_SECURE"]
    missing = [variable for variable, name in REQUIRED.items() if not settings.get(name)]
    # Without these the shop sends no text messages, no mail, takes no money; with half, somebody forgot something.
    for outside in (TWILIO_SETTINGS, MAIL_SETTINGS, STRIPE_SETTINGS):
        if any(settings[name] for name in outside):
            missing += [name for name in outside if not settings[name]]
    if missing:
        raise SettingsMissing(missing)
    return settings


def from_environment(variable: str) -> str:
    """One variable that a command cannot do without."""
    value = os.environ.get(variable, "")
    if not value:
        raise SettingsMissing([variable])
    return value
