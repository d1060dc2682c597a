"""`python -m legacy_monolith.events`: hears what users and payments tell notifications, while these are here.

Any number may run, and each may die on any line: what was not acted on comes again.
"""

from __future__ import annotations

import logging
import logging.config
import signal
import sys
import threading
from types import FrameType

from legacy_monolith import create_app
from legacy_monolith.errors import SettingsMissing
from legacy_monolith.events.listening import listen
from legacy_monolith.logs import LOGGING
from legacy_monolith.notifications import inbox
from legacy_monolith.settings import from_environment

log = logging.getLogger("legacy_monolith.events")

DOMAIN = "notifications"
SOURCES = ("users", "payments")


def main() -> int:
    logging.config.dictConfig(LOGGING)
    stop = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        url = from_environment("AMQP_URL")
        app = create_app()
    except SettingsMissing as error:
        print(f"{error.code}: {error}. {error.next_step}", file=sys.stderr)
        return 2
    log.info("events run")
    listen(app, url, DOMAIN, SOURCES, lambda event: inbox.receive(event.document()), stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
