"""`python -m migration_plan.local.prepare NAME=HOST:PORT…`: what `fig up` makes ready, in servers that others run.

For each PostgreSQL of the stack file its databases, roles and grants; passwords are SECRET_<ROLE> of the environment.
The stack's keys go to FIG_STATE/keys; those that are there stay. Safe to repeat.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg.conninfo import make_conninfo

from migration_plan.configuration.documents import DocumentInvalid
from migration_plan.errors import FigError
from migration_plan.local import folder, roles, stack


def prepare(file: Path, state: Path, servers: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Databases, roles, keys. DocumentInvalid names what the file has and was not given, and the reverse."""
    _, shape = stack.read(file)
    wanted = {name: process.postgres for name, process in shape.processes.items() if process.postgres}
    if wanted.keys() != servers.keys():
        problem = f"has the servers {', '.join(sorted(wanted))}; given were: {', '.join(sorted(servers)) or 'none'}"
        raise DocumentInvalid(file, [problem], "name each of them as NAME=HOST:PORT")
    needed = {"postgres"} | {
        role for one in wanted.values() for base in one.databases.values() for role in _roles(base)
    }
    names = {role: f"SECRET_{role.upper()}" for role in sorted(needed)}
    if missing := [name for name in names.values() if not environment.get(name)]:
        raise DocumentInvalid(file, [f"needs passwords that are not set: {', '.join(missing)}"], "set them")
    secrets = {role: environment[name] for role, name in names.items()}
    for name, postgres in wanted.items():
        host, _, port = servers[name].rpartition(":")
        admin = make_conninfo(host=host, port=port, user="postgres", password=secrets["postgres"], dbname="postgres")
        roles.prepare(admin, postgres.databases, secrets)
    (state / "keys").mkdir(mode=0o700, exist_ok=True)
    folder.keys_for(state, shape.keys)


def _roles(database: stack.Database) -> list[str]:
    return [role for role in (database.owner, database.application, database.fig) if role]


def main(arguments: Sequence[str]) -> None:
    servers = dict(argument.partition("=")[::2] for argument in arguments)
    file = Path(os.environ.get("FIG_STACK") or "stack.yml").absolute()
    try:
        prepare(file, Path(os.environ["FIG_STATE"]), servers, os.environ)
    except FigError as error:
        sys.exit(f"{error}\nnext: {error.next_step}")


if __name__ == "__main__":
    main(sys.argv[1:])
