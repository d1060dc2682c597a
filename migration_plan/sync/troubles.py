"""What `fig streams` says of streams that cannot go on, of every domain: for `fig status`, which asks no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from migration_plan.configuration import settings
from migration_plan.configuration.documents import DocumentInvalid


@dataclass(frozen=True)
class Trouble:
    """A stream or publisher that cannot go on; the others do."""

    domain: str
    direction: str
    code: str

    def __str__(self) -> str:
        return f"{self.domain} {self.direction}: {self.code}"


def troubles(environment: Mapping[str, str]) -> list[Trouble]:
    """All of them; none where `fig streams` does not answer: its own health tells that."""
    try:
        streams = settings.load(environment).streams
    except DocumentInvalid:
        return []  # A stack may run without settings that are whole, and then runs no stream.
    return [
        Trouble(sample.labels["domain"], sample.labels["direction"], sample.labels["code"])
        for sample in figures_at(streams.metrics if streams else "")
        if sample.name == "fig_stream_trouble"
    ]


def figures_at(metrics: str) -> list[Sample]:
    """Every figure that `fig streams` shows there; nothing where it does not answer, or at no address."""
    if not metrics:
        return []
    try:
        # No proxy of the person's environment may stand between.
        text = httpx.get(f"http://{metrics}/metrics", timeout=2.0, trust_env=False).raise_for_status().text
    except httpx.HTTPError:
        return []
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]
