"""Every figure that a process of ours shows: its name, kind, labels and meaning, taken from who shows it.

One scheme: `fig_<component>_<what>_<unit>`; counters end with `_total`. Units are seconds and bytes; what has no unit
is a number. The same label means the same thing everywhere.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from migration_plan.monitoring.domain_figures import DomainCollector, Watcher
from migration_plan.streaming.figures import Asker, StreamCollector
from proxy.app_figures import AppFigures

LABELS: Mapping[str, str] = {
    "domain": "the domain; `-` at a proxy: a request of none",
    "side": "`monolith` or `service`; `-` at a proxy: it was answered by neither",
    "direction": "`to_service`, `to_monolith`: a stream; `outbox_monolith`, `outbox_service`: a publisher of events",
    "method": "`read` (GET, HEAD, OPTIONS) or `write`",
    "status": "`2xx` … `5xx`",
    "app": "the application: `monolith`, or the service's name",
    "answer": "`handed_back`: a 421, from which the proxy goes on; `refused`: an honest 503",
    "stage": "of the domain's life",
    "state": "of a stream, as `fig sync status` names it",
    "code": "of the error, as messages name it",
    "reason": "`failed` or `slow`",
    "le": "upper bound of a bucket",
}

PLACES: Mapping[str, str] = {
    "proxy": "each nginx, `proxies: - listeners: metrics:` of fig.yml, `/metrics`",
    "stream": "`fig streams`, `streams: metrics:` of fig.yml, `/metrics`",
    "domain": "`fig controller`, `controller: metrics:` of fig.yml, `/metrics`",
    "controller": "`fig controller`, the same",
    "app": "monolith and services, at their own addresses, `/internal/metrics`; no proxy shows /internal to the public",
}

_HELP = re.compile(r"^    (fig_\w+): '(counter|gauge|histogram) (.*)',$", re.MULTILINE)
_PROXY_LABELS: Mapping[str, tuple[str, ...]] = {
    "requests_total": ("domain", "side", "method", "status"),
    "request_seconds": ("domain", "side", "method"),
    "canary_fallbacks_total": ("domain", "reason"),
    "route_owner": ("domain", "side"),
    "applied_through_seconds": ("domain", "side"),
    "figures_since_seconds": (),
    "figures_lost_total": (),
}
"""Those that are not labelled by domain alone."""


@dataclass(frozen=True)
class Figure:
    """One figure, as its users write it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def component(self) -> str:
        return self.name.split("_")[1]

    @property
    def series(self) -> tuple[str, ...]:
        """Names that an expression may use."""
        return (
            tuple(self.name + end for end in ("_bucket", "_sum", "_count"))
            if self.kind == "histogram"
            else (self.name,)
        )


def figures() -> list[Figure]:
    """All, by name."""
    return sorted([*_of_proxies(), *_of_processes()], key=lambda one: one.name)


def _of_proxies() -> Iterator[Figure]:
    source = files("proxy").joinpath("figures.js").read_text()
    for name, kind, meaning in _HELP.findall(source):
        short = name.removeprefix("fig_")
        yield Figure(f"fig_proxy_{short}", kind, _PROXY_LABELS.get(short, ("domain",)), meaning.replace("\\'", "'"))


def _of_processes() -> Iterator[Figure]:
    stop = threading.Event()
    collectors: list[Collector] = [StreamCollector([], Asker([], stop)), DomainCollector(Watcher([], stop))]
    for collector in collectors:
        for metric in collector.collect():
            yield _figure(metric, tuple(getattr(metric, "_labelnames", ())))
    for counter in AppFigures("", "").collectors:
        for metric in counter.describe():
            yield _figure(metric, counter._labelnames)


def _figure(metric: Metric, labels: tuple[str, ...]) -> Figure:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return Figure(name, metric.type, labels, metric.documentation)


def page() -> list[str]:
    """`docs/reference/figures.md` below its heading."""
    lines = [
        "Names are `fig_<component>_<what>_<unit>`; counters end with `_total`. Figures name domains and no person.",
        "",
    ]
    known = figures()
    for component, place in PLACES.items():
        lines += [
            f"## `fig_{component}_…`",
            "",
            f"Shown by {place}.",
            "",
            "| figure | kind | labels | meaning |",
            "|---|---|---|---|",
        ]
        for one in known:
            if one.component == component:
                labels = ", ".join(f"`{label}`" for label in one.labels) or "–"
                lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.meaning} |")
        lines.append("")
    lines += ["## Labels", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    return [*lines, ""]
