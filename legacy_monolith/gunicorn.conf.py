"""gunicorn -c legacy_monolith/gunicorn.conf.py 'legacy_monolith:create_app()'"""

import os
from pathlib import Path

from legacy_monolith.logs import LOGGING

bind = os.environ.get("MONOLITH_BIND", "127.0.0.1:7430")
worker_class = "gthread"
workers = 4
# The pool of database connections of each worker has as many.
threads = 8
# Longer than the proxy keeps an idle connection, so that it is never the one to find it closed.
keepalive = 75
timeout = 60
graceful_timeout = 30
# Requests are logged by the application, with their ids.
accesslog = None
logconfig_dict = LOGGING


def on_starting(server: object) -> None:
    """The workers count in one folder; what is there was counted by those of last time."""
    del server
    if name := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.db"):
            file.unlink()
