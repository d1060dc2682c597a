"""One implementation as a sequence meets it: its address, its people, and what its answers have named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from tests.contract.differential.domain import Domain, Ref, Step
from tests.support.clients import Answer, Client

NOWHERE = "999999999999999999"
"""What a reference to a thing of which there is none yet stands for."""


class Actor(Protocol):
    """Somebody with a browser, or what acts around a side without one."""

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer: ...

    def close(self) -> None: ...


class Asked:
    """Sends steps and remembers what their answers named."""

    def __init__(
        self,
        domain: Domain,
        people: Mapping[str, Actor],
        heard: Mapping[str, Callable[[], list[Any]]] | None = None,
        sessions: bool = False,
    ) -> None:
        """`heard`: what else steps may refer to, by kind, such as codes that came by text message.
        `sessions`: people log in themselves, in the sequence; each one begins with a new browser."""
        self._domain = domain
        self._people = people
        self._heard = heard or {}
        self._sessions = sessions
        self._known: dict[str, list[Any]] = {}

    def forget(self) -> None:
        self._known.clear()
        for client in self._people.values() if self._sessions else ():
            if isinstance(client, Client):
                client.cookies.clear()
                client.csrf_token = ""

    def close(self) -> None:
        for client in self._people.values():
            client.close()

    def send(self, step: Step) -> Answer:
        path = step.path.format_map({name: quote(str(self._value(value)), safe="") for name, value in step.path_values})
        query = "&".join(f"{name}={quote(str(self._value(value)), safe='')}" for name, value in step.query)
        body = self._value(step.body) if step.has_body else None
        address = f"{path}?{query}" if query else path
        actor = self._people[step.actor]
        headers = {name: str(self._value(value)) for name, value in step.headers}
        answer = actor.request(step.method, address, _sent(body, step), headers)
        self._learn(step, answer)
        if step.operation == "getCsrfToken" and answer.status == 200 and "browser" not in step.actor:
            assert isinstance(actor, Client)
            actor.csrf_token = answer.json()["csrf_token"]
        return answer

    def _value(self, value: Any) -> Any:
        if isinstance(value, Ref):
            known = self._heard[value.kind]() if value.kind in self._heard else self._known.get(value.kind, [])
            return known[value.number % len(known)] if known else int(NOWHERE)
        if isinstance(value, dict):
            return {name: self._value(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return value

    def _learn(self, step: Step, answer: Answer) -> None:
        if step.operation not in self._domain.learned or answer.status not in (200, 201, 202):
            return
        kind, member = self._domain.learned[step.operation]
        named = answer.json()
        for part in member.split("."):
            named = named.get(part) if isinstance(named, dict) else None
        known = self._known.setdefault(kind, [])
        if named is not None and named not in known:
            known.append(named)


def _sent(body: object, step: Step) -> object:
    # None means no body at all to the client; JSON's null is a body.
    return b"null" if step.has_body and body is None else body
