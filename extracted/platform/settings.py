"""Settings come from the environment; there are no defaults for addresses and secrets."""

from __future__ import annotations

import os

from extracted.platform.errors import SettingMissing


def setting(name: str) -> str:
    """The value of an environment variable that must be there."""
    value = os.environ.get(name, "")
    if not value:
        raise SettingMissing(name)
    return value
