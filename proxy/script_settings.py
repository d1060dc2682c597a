"""What the scripts of a proxy know of it, as settings.json beside them. Pure."""

from __future__ import annotations

import json
import zlib
from typing import Any

from proxy.canary import Canary, Cohort
from proxy.config import ProxyConfig


def settings_json(config: ProxyConfig, proc: bool = True) -> str:
    """What the scripts know of this proxy; `proc`: whether /proc tells which workers live."""
    identity_domain = config.identity_domain
    settings = {
        "folder": str(config.folder),
        "proc": proc,
        "default_upstream": config.default_upstream,
        "identity": config.identity is not None,
        "identity_domain": identity_domain.name if identity_domain else "",
        "secure_cookies": config.is_secure,
        "limits": {
            "longest_hold_ms": config.limits.longest_hold_ms,
            "longest_mark_wait_ms": config.limits.longest_mark_wait_ms,
            "mark_seconds": config.limits.mark_seconds,
        },
        "domains": {
            domain.name: {
                "owner": domain.owner.value,
                "upstreams": domain.upstreams,
                "read_by": sorted(domain.read_by),
                "canary": _canary(domain.name, domain.canary) if domain.canary else None,
            }
            for domain in config.domains
        },
    }
    return json.dumps(settings, indent=4) + "\n"


def _canary(domain: str, canary: Canary) -> dict[str, Any]:
    return {
        "salt": zlib.crc32(domain.encode()),
        "applied_age_ms": canary.applied_age_ms,
        "always": [_cohort(cohort) for cohort in canary.always],
        "never": [_cohort(cohort) for cohort in canary.never],
    }


def _cohort(cohort: Cohort) -> dict[str, Any]:
    """As the variable of nginx that has to have a value: exactly, or for a path also below it."""
    variable = {"header": "http_", "cookie": "cookie_", "host": "host", "path": "uri"}[cohort.kind]
    name = cohort.name.lower().replace("-", "_") if cohort.kind == "header" else cohort.name
    return {"variable": variable + name, "value": cohort.value, "below": cohort.kind == "path"}
