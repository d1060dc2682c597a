"""The stack file as frozen values: processes, ports, steps, health checks, and the order to start them in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from migration_plan.configuration import documents
from migration_plan.configuration.documents import Part

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def _seconds(value: object) -> object:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit, such as 500ms or 30s")
    return float(match[1]) * _UNITS[match[2]]


def _word(value: str) -> str:
    if re.search(r"\n|\s[;#]", value):
        raise ValueError("a line break, or a blank before ; or #, would end the command in supervisord's file")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Offset = Annotated[int, Field(ge=0, le=199)]
Word = Annotated[str, AfterValidator(_word)]
Command = Annotated[tuple[Word, ...], Field(strict=False)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]


class Health(Part):
    """How to see that a process is ready; exactly one of the checks."""

    http: str = ""
    tcp: str = ""  # HOST:PORT
    amqp: str = ""  # HOST:PORT; an open port is not yet a broker that answers.
    kafka: str = ""  # HOST:PORT, likewise.
    postgres: str = Field(default="", repr=False)  # DSN
    command: Command = ()
    within: Seconds = 120.0

    @model_validator(mode="after")
    def _exactly_one(self) -> Health:
        checks = (self.http, self.tcp, self.amqp, self.kafka, self.postgres, self.command)
        if sum(map(bool, checks)) != 1:
            raise ValueError("name exactly one of http, tcp, amqp, kafka, postgres, command")
        return self


class Database(Part):
    """One database and its roles. The application role gets DML on what the owner creates, nothing more."""

    owner: RoleName
    application: RoleName | None = None
    fig: RoleName | None = None  # The role of the toolkit: streams, fences, never a superuser.


class Postgres(Part):
    """A PostgreSQL server that the stack creates and keeps."""

    databases: dict[RoleName, Database]
    settings: dict[str, str] = Field(default={})


class Rabbitmq(Part):
    """A RabbitMQ broker that the stack creates and keeps; three ports: its own, its distribution's, epmd's."""

    account: RoleName


class Kafka(Part):
    """A Kafka broker that the stack creates and keeps; two ports: its own, its controller's."""

    heap: Annotated[int, Field(ge=128)] = 256
    """MB."""


class When(Part):
    """A process that only some want: it belongs to the stack where the value, with its variables filled in, is this."""

    value: str
    equals: str


class Process(Part):
    """Something that runs until `fig down`, and comes back when it dies."""

    command: Command = ()
    postgres: Postgres | None = None
    rabbitmq: Rabbitmq | None = None
    kafka: Kafka | None = None
    when: When | None = None
    ports: dict[Name, Offset] = Field(default={})
    after: Names = ()
    health: Health | None = None
    environment: dict[str, str] = Field(default={})
    url: str = ""  # A page for people, if it has one.
    user: str | None = None  # Used only when the stack is started by root.
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"

    @model_validator(mode="after")
    def _one_kind(self) -> Process:
        if sum(map(bool, (self.command, self.postgres, self.rabbitmq, self.kafka))) != 1:
            raise ValueError("name exactly one of command, postgres, rabbitmq, kafka")
        if self.postgres and len(self.ports) != 1:
            raise ValueError("a postgres process has exactly one port")
        if self.rabbitmq and len(self.ports) != 3:
            raise ValueError("a rabbitmq process has three ports: its own, its distribution's, epmd's, in this order")
        if self.kafka and len(self.ports) != 2:
            raise ValueError("a kafka process has two ports: its own, its controller's, in this order")
        return self


class Step(Part):
    """Something that runs to its end at every `fig up`; with `once` only until it has succeeded once."""

    command: Annotated[Command, Field(min_length=1)]
    after: Names = ()
    environment: dict[str, str] = Field(default={})
    once: bool = False
    within: Seconds = 120.0


class Stack(Part):
    """What `fig up` runs."""

    secrets: Annotated[tuple[RoleName, ...], Field(strict=False)] = ()
    keys: Names = ()  # Ed25519 pairs, as PEM files in the folder keys/.
    environment: dict[str, str] = Field(default={})
    processes: dict[Name, Process] = Field(min_length=1)
    steps: dict[Name, Step] = Field(default={})

    @model_validator(mode="after")
    def _coherent(self) -> Stack:
        problems = [*self._naming_problems(), *self._port_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        _ = self.levels()
        return self

    def _naming_problems(self) -> Iterator[str]:
        for name in self.processes.keys() & self.steps.keys():
            yield f'"{name}" is both a process and a step'
        for name, item in self.items().items():
            for needed in item.after:
                if needed not in self.items():
                    yield f'{name}: after: there is no "{needed}"'

    def _port_problems(self) -> Iterator[str]:
        names: dict[str, str] = {}
        offsets: dict[int, str] = {}
        for process, port, offset in self.ports():
            if port in names:
                yield f'port "{port}" is named by {names[port]} and {process}'
            if offset in offsets:
                yield f"port offset {offset} is used by {offsets[offset]} and {process}"
            names[port] = offsets[offset] = process

    def items(self) -> Mapping[str, Process | Step]:
        """Everything that is started, by name."""
        return {**self.processes, **self.steps}

    def ports(self) -> Iterator[tuple[str, str, int]]:
        """(process, name of the port, offset)"""
        for name, process in self.processes.items():
            for port, offset in process.ports.items():
                yield name, port, offset

    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Names by dependency: what stands in a level needs only what stands before it."""
        waiting = {name: set(item.after) for name, item in self.items().items()}
        levels: list[tuple[str, ...]] = []
        while waiting:
            ready = tuple(name for name, needs in waiting.items() if not needs & waiting.keys())
            if not ready:
                raise ValueError(f"these wait for each other: {', '.join(waiting)}")
            levels.append(ready)
            for name in ready:
                del waiting[name]
        return tuple(levels)

    def present(self) -> Stack:
        """Without the processes that are not wanted here; nothing waits for them."""
        wanted = {
            name: one for name, one in self.processes.items() if one.when is None or one.when.value == one.when.equals
        }
        absent = self.processes.keys() - wanted.keys()

        def waiting(item: Process | Step) -> dict[str, Names]:
            return {"after": tuple(name for name in item.after if name not in absent)}

        processes = {name: one.model_copy(update=waiting(one)) for name, one in wanted.items()}
        steps = {name: one.model_copy(update=waiting(one)) for name, one in self.steps.items()}
        return self.model_copy(update={"processes": processes, "steps": steps})

    def all_secrets(self) -> tuple[str, ...]:
        """Names of all secrets that the stack generates: those it lists, and one for each role."""
        names = dict.fromkeys(self.secrets)
        for process in self.processes.values():
            if process.rabbitmq:
                names.update(dict.fromkeys((process.rabbitmq.account, "erlang_cookie")))
            if process.postgres:
                names["postgres"] = None
                for database in process.postgres.databases.values():
                    roles = (database.owner, database.application, database.fig)
                    names.update(dict.fromkeys(role for role in roles if role))
        return tuple(names)


def read(path: Path) -> tuple[dict[str, Any], Stack]:
    """The raw document and its shape; strings may still hold variables."""
    document = documents.read(path)
    return document, documents.validate(path, Stack, document)


def settle(path: Path, document: dict[str, Any], variables: Mapping[str, str]) -> Stack:
    """What is wanted of the stack, all filled in. `environment` may use what stands above it, all else may use it."""
    known = dict(variables)
    for name, value in document.get("environment", {}).items():
        known[name] = documents.fill(path, value, known)
    return documents.validate(path, Stack, documents.fill(path, document, known) | {
        "environment": {name: known[name] for name in document.get("environment", {})}
    }).present()  # fmt: skip
