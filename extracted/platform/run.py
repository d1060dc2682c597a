"""python -m extracted.platform.run extracted.catalog.service:CatalogService --port 7441

Starts one Nameko service without Nameko's command line, which needs setuptools of the past and, when only
HTTP is served, notices SIGTERM up to a minute late.
"""

from __future__ import annotations

import warnings

# That eventlet is old is known: nothing but this chassis depends on it.
warnings.filterwarnings("ignore", message="\\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

import argparse  # noqa: E402 - everything below must see the patched modules.
import importlib  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from nameko.containers import ServiceContainer  # noqa: E402

from extracted.platform import spans  # noqa: E402
from extracted.platform.errors import ServiceUnknown, StartError  # noqa: E402
from extracted.platform.json_logs import log_as_json  # noqa: E402
from extracted.platform.settings import setting  # noqa: E402
from extracted.platform.web_server import LISTENER, listen  # noqa: E402
from extracted.platform.workers import begin_trace  # noqa: E402

log = logging.getLogger("extracted.run")

WORKERS = 16
STOP_PATIENCE_S = 20
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Container(ServiceContainer):  # type: ignore[misc,unused-ignore]
    def start(self) -> None:
        """Set up one extension after the other, so that what is wrong is raised here and nowhere else."""
        self.started = True
        for extension in self.extensions:
            extension.setup()
        self.extensions.all.start()

    def _worker_setup(self, worker_ctx: Any) -> None:
        worker_ctx.data = begin_trace(worker_ctx.data)
        super()._worker_setup(worker_ctx)


def service_class(name: str) -> Any:
    module_name, _, class_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        raise ServiceUnknown(name, str(error)) from None
    if found is None:
        raise ServiceUnknown(name, f"the module {module_name} has no class {class_name!r}")
    return found


def wait_for_signal() -> None:
    """Return at once when a signal arrives: it writes into a pipe that wakes even a sleeping hub."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    eventlet.hubs.trampoline(reader, read=True)
    # A second signal ends the process at once.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def stop_at_signal(container: Container) -> None:
    wait_for_signal()
    log.info("stopping")
    stopping = eventlet.spawn(container.stop)
    with eventlet.Timeout(STOP_PATIENCE_S, False):
        stopping.wait()
        return
    log.error("not stopped within %s s: ending the process", STOP_PATIENCE_S)
    logging.shutdown()
    os._exit(1)


def serve(service: Any, host: str, port: int, workers: int) -> None:
    listener = listen(host, port)
    spans.start(service.name)
    config = {"max_workers": workers, "AMQP_URI": setting("AMQP_URL"), LISTENER: listener}
    container = Container(service, config)
    eventlet.spawn(stop_at_signal, container)
    log.info("listening on %s:%s", host, port)
    container.start()
    container.wait()
    log.info("stopped")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m extracted.platform.run", description="Run one service.")
    parser.add_argument("service", help="package.module:Class")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=WORKERS, help="requests at a time (default %(default)s)")
    options = parser.parse_args()
    try:
        service = service_class(options.service)
        log_as_json(service.name)
        serve(service, options.host, options.port, options.workers)
    except StartError as error:
        print(f"{error.code}: {error}; {error.next_step}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
