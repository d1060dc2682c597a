"""Where a rehearsal happens: a stack of its own, in which nothing of the live one is left.

Its processes end with the rehearsal, however that ends. The folder with the copies stays where one was killed: the next
rehearsal removes it, and `fig doctor` and `fig status` say that it is there.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration_plan.local import down, folder, ports
from migration_plan.local.site import Place, Site, open_site, saved_environment
from migration_plan.local.up import admin_dsn, up
from migration_plan.rehearsal.errors import RehearsalRefused

Say = Callable[[str, str], None]
_LOWEST, _HIGHEST, _STEP = 12000, 31000, 100  # Below the ports of outgoing connections.


def surroundings(live: Mapping[str, str]) -> dict[str, str]:
    """The environment without the live stack's: whatever an application could find its live databases by."""
    known = saved_environment(Place.of(live).state)
    kept = {name: value for name, value in live.items() if name not in known and not name.startswith(("FIG_", "PORT_"))}
    config = {"FIG_CONFIG": live["FIG_CONFIG"]} if "FIG_CONFIG" in live else {}
    # A gate that waits for the suites would have them run against the copies.
    return {**kept, **config, "PATH": os.pathsep.join([str(Path(sys.executable).parent), live.get("PATH", os.defpath)])}


def folder_of(live: Mapping[str, str]) -> Path:
    """Beside the live stack's, and its alone."""
    state = Place.of(live).state
    state, _ = folder.choose(state.with_name(f"{state.name}-rehearsal"))
    return state


@contextmanager
def alone(domain: str, state: Path) -> Iterator[None]:
    """The folder is ours until the block ends, or this process; RehearsalRefused while it is somebody else's."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with folder.claimed(_lock(state)) as is_ours:
        if not is_ours:
            raise RehearsalRefused(domain, ["another rehearsal is under way here"], "repeat it when that has ended")
        yield


def left_behind(live: Mapping[str, str]) -> Path | None:
    """The folder of a rehearsal that has died: copies of live rows are in it. None while one is under way."""
    state = folder_of(live)
    if not state.exists():
        return None
    with folder.claimed(_lock(state)) as is_nobodys:
        return state if is_nobodys else None


def removal_of(state: Path) -> str:
    """What to type so that nothing of it is left; the next rehearsal does the same."""
    return f"FIG_STATE={state} fig down --wipe"


def _lock(state: Path) -> Path:
    return state.with_name(f"{state.name}.lock")


def open_place(live: Mapping[str, str], stack: Path, say: Say) -> Site:
    """The site of a rehearsal; whatever one that has died left there is ended and removed."""
    state = folder_of(live)
    leave(state, say)
    place = Place(stack.absolute(), state, "")
    kept = surroundings(live)
    offsets = [
        offset for _, _, offset in open_site(place, {**kept, "FIG_PORT_BASE": str(_LOWEST)}, make=True).stack.ports()
    ]
    site = open_site(place, {**kept, "FIG_PORT_BASE": str(_free_base(offsets))}, make=True)
    return replace(site, mortal=True)


def environment_of(site: Site, live: Mapping[str, str]) -> dict[str, str]:
    """What commands and applications of the rehearsal see."""
    return {**surroundings(live), **site.environment}


@contextmanager
def only(environment: Mapping[str, str]) -> Iterator[None]:
    """This process itself has no other environment for a while: what it starts inherits it."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def servers(site: Site) -> list[str]:
    """The PostgreSQL servers of the stack."""
    return [name for name, process in site.stack.processes.items() if process.postgres]


def begin_servers(site: Site, say: Say) -> None:
    up(site, say, servers(site))


def begin(site: Site, say: Say, processes: tuple[str, ...]) -> None:
    """All the rest. What is done once has been done: it is in the copies."""
    for name, step in site.stack.steps.items():
        if step.once:
            (site.state / "done" / name).touch()
    up(site, say, processes)


def leave(state: Path, say: Say) -> None:
    """Nothing runs there any more, and nothing is kept."""
    if state.exists():
        down.down(state, say)
        down.wipe(state)


def admin_of(site: Site, dsn: str) -> str | None:
    """The superuser's way to this database; None if it is on no server that the stack itself keeps."""
    said = conninfo_to_dict(dsn)
    for name in servers(site):
        process = site.stack.processes[name]
        if process.postgres is None or str(said.get("port")) != str(site.port(next(iter(process.ports.values())))):
            continue
        if said.get("host") in ("127.0.0.1", "localhost") and said.get("dbname") in process.postgres.databases:
            return make_conninfo(admin_dsn(site, process), dbname=said["dbname"])
    return None


def _free_base(offsets: list[int]) -> int:
    for base in random.sample(range(_LOWEST, _HIGHEST, _STEP), 100):
        if all(ports.is_free(base + offset) for offset in offsets):
            return base
    return _LOWEST  # `fig up` names the port that is taken.
