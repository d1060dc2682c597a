"""Programs that must not outlive the process that starts them, however it ends: Linux tells them (prctl(2)).

Only for a process without threads of its own: between fork and exec nothing but two system calls may happen.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def with_us() -> Callable[[], None]:
    """What `preexec_fn` of subprocess wants: the program gets SIGTERM when the thread that has started it is gone."""
    us = os.getpid()

    def before_exec() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != us:
            os._exit(1)  # We died before the kernel knew whom to tell.

    return before_exec
