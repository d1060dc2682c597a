"""What can go wrong with a routing proxy; every error says what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ProxyError(Exception):
    """Base: a stable `code`, a one-sentence message, and the `next_step`."""

    code: ClassVar[str] = "proxy-error"

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


class ConfigInvalid(ProxyError):
    """The values that a configuration is rendered from contradict each other or are malformed."""

    code = "proxy-config-invalid"

    def __init__(self, problems: Sequence[str]) -> None:
        message = "the proxy's configuration is invalid: " + "; ".join(problems)
        super().__init__(message, "correct the named values")
        self.problems = tuple(problems)


class NginxRefused(ProxyError):
    """nginx itself refused to check, start or reload."""

    code = "nginx-refused"

    def __init__(self, what: str, output: str) -> None:
        message = f"nginx did not {what}: {output.strip() or 'it said nothing'}"
        super().__init__(message, "read nginx's error.log")
        self.output = output


class ProxyUnreachable(ProxyError):
    """No answer over the admin socket: the proxy's state is unknown."""

    code = "proxy-unreachable"

    def __init__(self, name: str, socket_path: str, reason: str) -> None:
        super().__init__(
            f'proxy "{name}" does not answer at {socket_path}: {reason}',
            "start it (fig up), or remove it from fig.yml if it is gone for good",
        )
        self.name = name


class OtherProtocol(ProxyUnreachable):
    """It answers, and means something else by it: a proxy of another version. To a controller it is away."""

    code = "proxy-other-protocol"

    def __init__(self, name: str, socket_path: str, found: str, ours: str) -> None:
        super().__init__(name, socket_path, f"it speaks version {found or 0} of the protocol, and this fig {ours}")
        newer = found.isdecimal() and int(found) > int(ours)
        self.next_step = "use the fig that it came with" if newer else f"fig proxies reload {name}"


class ProxyRejected(ProxyError):
    """The proxy understood that it must not do this: unknown domain or malformed value. Nothing changed."""

    code = "proxy-rejected"

    def __init__(self, name: str, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(
            f'proxy "{name}" answered {status}: {problem.get("detail", "no reason given")}',
            "compare the plan with the routes that the proxy knows (GET /routes)",
        )
        self.status = status


class RouteRefused(ProxyError):
    """The compare-and-set on the epoch failed; `current` is the route that the proxy has. Nothing changed."""

    code = "route-refused"

    def __init__(self, name: str, detail: str, current: Any) -> None:
        super().__init__(
            f'proxy "{name}" refused: {detail}', "somebody else moved the domain: decide anew from both rows"
        )
        self.current = current
