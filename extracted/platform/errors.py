"""What stops a service from starting; each error says what to do next."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start as it was asked to."""

    code = "cannot-start"
    next_step = ""


class SettingMissing(StartError):
    code = "setting-missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name} is not set")
        self.next_step = f"set {name}, or start the service with 'fig up', which sets it"


class SettingWrong(StartError):
    code = "setting-wrong"

    def __init__(self, name: str, reason: str, next_step: str) -> None:
        super().__init__(f"the setting {name} cannot be used: {reason}")
        self.next_step = next_step


class PortTaken(StartError):
    code = "port-taken"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} on {host} is taken by another process")
        self.next_step = "stop the process that listens there, or choose another port with --port"


class ServiceUnknown(StartError):
    code = "service-unknown"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"no service {name!r}: {reason}")
        self.next_step = "name it as package.module:Class, for instance extracted.catalog.service:CatalogService"
