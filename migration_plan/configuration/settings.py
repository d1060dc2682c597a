"""fig.yml as frozen values: the journal, the proxies, what they listen on and send to, the plans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from migration_plan.configuration import documents
from migration_plan.configuration.documents import Part
from migration_plan.configuration.rehearsal_rules import Rehearsal
from migration_plan.configuration.units import Bytes, Duration
from proxy.config import STRICT_POLICY

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Address = Annotated[str, Field(pattern=r"^\S+:\d{1,5}$|^unix:/\S+$")]
UrlPath = Annotated[str, Field(pattern=r"^/\S*$")]


class Journal(Part):
    """The database of journal and lease."""

    dsn: str = Field(min_length=1, repr=False)  # As the role of fig; from the environment.


class Listeners(Part):
    """What nginx listens on. Only `public` is meant for people."""

    public: Address  # HOST:PORT for people.
    internal: Address  # For calls between the sides, /internal/…
    metrics: Address  # Health and figures: /livez, /metrics.


class ProxyTls(Part):
    """What the public listener shows. Paths are meant from the file's own folder; nginx's master reads them."""

    certificate: str = Field(min_length=1)  # PEM, with its chain.
    key: str = Field(min_length=1)  # PEM.
    redirect: Address | None = None  # Plain HTTP, where everybody is sent to https.


class Proxy(Part):
    """One nginx; its folder holds its configuration, its routes and its admin socket."""

    name: Name  # Unique among the proxies.
    folder: str = Field(pattern=r"^/")  # Absolute; survives restarts.
    listeners: Listeners  # Its addresses.
    tls: ProxyTls | None = None  # For https.
    worker_processes: int = Field(default=2, ge=1)  # Of nginx.
    user: str | None = None  # Who the workers become when root starts it.

    @property
    def admin_socket(self) -> Path:
        return Path(self.folder) / "admin.sock"


class UpstreamTls(Part):
    """Upstreams that are asked over https, and who vouches for them: nothing is sent to whoever shows no such name."""

    authorities: str = Field(min_length=1)  # PEM; meant from the file's own folder.
    names: Annotated[dict[Name, str], Field(min_length=1)]  # Upstream: the name in its certificate.


class Requests(Part):
    """What a request may be."""

    largest_body: Bytes = 64 * 1024**2  # More is refused with 413. Each one that is being received takes it on disk.
    answer: Duration = 60.0  # How long an upstream may be silent; a stream has to say something within this.


class Static(Part):
    """Files that every proxy serves to the public below `path`, where no domain's route is."""

    path: UrlPath  # Where they are seen.
    folder: str = Field(min_length=1)  # Meant from the file's own folder.
    policy: str = STRICT_POLICY  # Content-Security-Policy


class IdentityCheck(Part):
    """The question that tells who the user is; it goes to whoever owns its path."""

    path: UrlPath  # What is asked.
    cookies: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]  # That say who somebody is.
    cache_seconds: int = Field(default=5, ge=1)  # How long an answer is kept for the same cookies.


class Broker(Part):
    """RabbitMQ, for plans with an outbox or an inbox."""

    url: str = Field(min_length=1, repr=False)  # amqp://…; from the environment.


class Streams(Part):
    """`fig streams`: where it shows its figures to Prometheus (/metrics). Figures name domains and no person."""

    metrics: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")]  # HOST:PORT, on loopback or behind what you trust.


class Controller(Part):
    """`fig controller`: where it shows its figures to Prometheus (/metrics)."""

    metrics: Annotated[str, Field(pattern=r"^\S+:\d{1,5}$")]  # HOST:PORT, on loopback or behind what you trust.


class Kafka(Part):
    """Where the streams' changes go when the transport is kafka."""

    bootstrap: str = ""  # HOST:PORT,…
    mode: Literal["transactional", "parallel"] = "transactional"  # docs/kafka.md
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "fig"  # Of all topics' names.
    replication: int = Field(default=3, ge=1)  # Copies of each topic.
    min_insync: int = Field(default=2, ge=1)  # Of which so many have to have a record before it counts.
    partitions: int = Field(default=4, ge=1)  # Of each table's topic, in parallel mode.
    schemas: bool = False  # Each record carries its schema.
    security: dict[str, str] = Field(default_factory=dict, repr=False)  # security_protocol, sasl_…, ssl_…


class Settings(Part):
    """All of fig.yml."""

    journal: Journal  # Who did what, and who is at work.
    proxies: Annotated[tuple[Proxy, ...], Field(strict=False, min_length=1)]  # All of them.
    upstreams: dict[Name, Annotated[tuple[Address, ...], Field(strict=False, min_length=1)]]  # Name: HOST:PORT, …
    default_upstream: Name  # Takes what belongs to no domain.
    identity: IdentityCheck | None = None  # How a proxy learns who somebody is.
    static: Annotated[tuple[Static, ...], Field(strict=False)] = ()  # Files that the proxies serve.
    secure_cookies: bool = False  # true where people come by https.
    resolver: Annotated[str, Field(pattern=r"^$|^\S+:\d{1,5}$")] = ""  # Who knows the upstreams' present addresses.
    upstream_tls: UpstreamTls | None = None  # For upstreams that are spoken to by TLS.
    requests: Requests = Requests()  # How large, how long.
    broker: Broker | None = None  # For plans that tell or hear of others.
    streams: Streams | None = None  # Figures of `fig streams`.
    controller: Controller | None = None  # Figures of `fig controller`.
    transport: Literal["direct", "kafka"] = "direct"  # How changes travel.
    kafka: Kafka | None = None  # For transport kafka.
    rehearsal: Rehearsal = Rehearsal()  # How the application runs on copies.
    plans: Annotated[tuple[str, ...], Field(strict=False)]  # Files, meant from this file's own folder.
    file: Path = Field(exclude=True)

    @model_validator(mode="after")
    def _coherent(self) -> Settings:
        names = [proxy.name for proxy in self.proxies]
        if len(set(names)) < len(names):
            raise ValueError("two proxies have the same name")
        if self.default_upstream not in self.upstreams:
            raise ValueError(f'default_upstream "{self.default_upstream}" is not among the upstreams')
        for name in self.upstream_tls.names if self.upstream_tls else ():
            if name not in self.upstreams:
                raise ValueError(f'upstream_tls.names: "{name}" is not among the upstreams')
        if self.transport == "kafka" and not (self.kafka and self.kafka.bootstrap):
            raise ValueError("transport is kafka: kafka.bootstrap must name its servers")
        if self.kafka and self.kafka.min_insync > self.kafka.replication:
            raise ValueError("kafka.min_insync is more than kafka.replication: nothing could be written")
        return self

    @property
    def plan_files(self) -> tuple[Path, ...]:
        """Paths in the file are meant from the file's own folder."""
        return tuple(self.file.parent / plan for plan in self.plans)


def load(environment: Mapping[str, str]) -> Settings:
    """Read the file that FIG_CONFIG names (fig.yml); DocumentInvalid lists every problem."""
    file = Path(environment.get("FIG_CONFIG") or "fig.yml").absolute()
    document = documents.read(file)
    if "file" in document:
        raise documents.DocumentInvalid(file, ['unknown key "file"'])
    return documents.validate(file, Settings, {**documents.fill(file, document, environment), "file": file})
