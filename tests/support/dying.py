"""A command of fig in a process of its own that dies by SIGKILL at a named checkpoint; what it leaves is the test's.

`killed_at("announced", "adopt", environment, "parcels", "service")`. They are forked from one that has imported all:
a start of Python costs more than what is tested.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from contextlib import closing

from migration_plan import bootstrap
from migration_plan.ejecting import ejection
from migration_plan.lifecycle import Side
from tests.support.faults import Strike

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload([__name__])


def _adopt(environment: Mapping[str, str], die: Callable[[str], None], domain: str, side: str) -> None:
    mover = bootstrap.build(domain, environment, die)
    with closing(mover.parts):
        mover.adopt(Side(side))


def _accept(environment: Mapping[str, str], die: Callable[[str], None], domain: str) -> None:
    mover = bootstrap.build(domain, environment, die)
    with closing(mover.parts):
        mover.accept_schema()


def _eject(environment: Mapping[str, str], die: Callable[[str], None]) -> None:
    ejection.eject(bootstrap.all_parts(environment), print, print, die)


_ACTS: Mapping[str, Callable[..., None]] = {"adopt": _adopt, "accept": _accept, "eject": _eject}


def _act(act: str, environment: Mapping[str, str], checkpoint: str, arguments: tuple[str, ...]) -> None:
    _ACTS[act](environment, Strike(checkpoint, signal.SIGKILL, 0), *arguments)


def killed_at(checkpoint: str, act: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Returns once it is dead; fails if it ended in any other way."""
    run(_act, act, dict(environment), checkpoint, arguments)


def run(target: Callable[..., None], *arguments: object) -> None:
    """`target` in a forked process, which has to die by SIGKILL."""
    process = _forked.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    code = process.exitcode
    process.kill()
    process.join()
    process.close()
    assert code == -signal.SIGKILL, f"it ended with {code} instead of being killed"
