"""`python -m tests.contract.defects SERVICE --port N`: the service as it is, until `PUT /defect/<name>` spoils it, or
`PUT /slow/<milliseconds>` makes it slow."""

from __future__ import annotations

# First, because it makes sockets and threads green before anything else is imported.
from extracted.platform import run  # isort: skip

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from extracted.platform.wsgi_app import Application
from tests.contract.defects.catalogue import DEFECTS
from tests.contract.defects.defect import Switchboard

PREFIX, SLOW = "/defect/", "/slow/"
_serve = Application.__call__


def _with(switchboard: Switchboard) -> Callable[..., Iterable[bytes]]:
    pause = 0.0

    def serve(self: Application, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal pause
        path = environ["PATH_INFO"]
        if path.startswith(SLOW):
            pause = int(path.removeprefix(SLOW)) / 1000
        elif path.startswith(PREFIX):
            switchboard.turn_on(path.removeprefix(PREFIX))
        else:
            time.sleep(pause)  # Green: other requests go on.
            return _serve(self, environ, start_response)
        start_response("204 No Content", [])
        return []

    return serve


if __name__ == "__main__":
    # extracted.<domain>.service:<class>
    domain = sys.argv[1].split(".")[1]
    Application.__call__ = _with(Switchboard(DEFECTS[domain]))  # type: ignore[method-assign]
    sys.exit(run.main())
