"""`python -m legacy_monolith.events`: hears what users and payments tell notifications, while these are here.

Any number may run, and each may die on any line: what was not acted on comes again.
"""

from __future__ import annotations

import importlib
import logging
import logging.config
import signal
import sys
import threading
from types import FrameType

from legacy_monolith import create_app
from legacy_monolith.errors import SettingsMissing, ShopError
from legacy_monolith.events.listening import Handler, listen
from legacy_monolith.logs import LOGGING
from legacy_monolith.settings import from_environment

log = logging.getLogger("legacy_monolith.events")

DOMAIN = "notifications"
SOURCES = ("users", "payments")


class NobodyListens(ShopError):
    code = "nobody-listens"
    next_step = "Run the events of a shop that has them."


def handler_of(domain: str) -> Handler:
    """What the domain does with an event."""
    name = f"legacy_monolith.{domain}.inbox"
    try:
        receive: Handler = importlib.import_module(name).receive
    except ModuleNotFoundError:
        raise NobodyListens(f"there is no module {name}") from None
    return receive


def main() -> int:
    logging.config.dictConfig(LOGGING)
    stop = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        url, handler = from_environment("AMQP_URL"), handler_of(DOMAIN)
        app = create_app()
    except (SettingsMissing, NobodyListens) as error:
        print(f"{error.code}: {error} {error.next_step}", file=sys.stderr)
        return 2
    log.info("events run")
    listen(app, url, DOMAIN, SOURCES, handler, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
