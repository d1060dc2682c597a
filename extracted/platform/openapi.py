"""A service's description of its own API, read once and served as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import yaml


def api_description(path: Path) -> bytes:
    return json.dumps(yaml.safe_load(path.read_text()), ensure_ascii=False, separators=(",", ":")).encode()
