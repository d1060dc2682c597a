"""How gunicorn serves the console: `gunicorn -c python:migration_plan.console.served 'migration_plan.console:…'`.

One process: who is looking, what was begun and what the last look has seen are in its memory. Nothing of it decides.
"""

import os

bind = os.environ.get("FIG_CONSOLE_BIND", "127.0.0.1:7465")
worker_class = "gthread"
workers = 1
# Each open page keeps one for its events; `events.MOST` leaves some for everything else.
threads = 48
keepalive = 5
timeout = 60
# Open pages come back by themselves.
graceful_timeout = 2
# Nobody steers it from beside; the stack does by signals.
control_socket_disable = True
