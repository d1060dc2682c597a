"""A PostgreSQL server of the local stack: created at its first start, then run in the foreground.

`python -m migration_plan.local.postgres FOLDER PORT [NAME=VALUE…]`, started as root or as anyone: becomes the user
`postgres` where it is root. The superuser's password comes from secrets.json in FIG_STATE.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from migration_plan.local.errors import ProgramMissing
from migration_plan.local.start import give_up_root

USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "150",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "32MB",
    "jit": "off",
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_prepared_transactions": "10",
    "max_wal_size": "512MB",
    "wal_sender_timeout": "10s",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
    "log_checkpoints": "off",
    # A refused statement, and the details of a refusal, hold people's addresses and numbers.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def programs() -> Path:
    """The folder with initdb and postgres: Debian's newest, or where the PATH has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise ProgramMissing("PostgreSQL")
    return Path(on_path).resolve().parent


def create(folder: Path, password: str) -> None:
    """A new, empty cluster. It appears under its name only once it is complete."""
    half_made = folder / "data.new"
    shutil.rmtree(half_made, ignore_errors=True)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    try:
        subprocess.run(
            [programs() / "initdb", "-D", half_made, "-U", "postgres", "--auth=scram-sha-256",
             f"--pwfile={password_file}", "--locale=C.UTF-8", "-E", "UTF8", "--no-instructions", "--no-sync"],
            check=True, cwd=folder,
        )  # fmt: skip
    finally:
        password_file.unlink()
    half_made.rename(folder / "data")


def command(folder: Path, port: int, settings: dict[str, str]) -> list[str]:
    """What to run."""
    wanted = {**_SETTINGS, "port": str(port), **settings}
    options = [part for name, value in wanted.items() for part in ("-c", f"{name}={value}")]
    return [str(programs() / "postgres"), "-D", str(folder / "data"), *options]


def main(arguments: list[str]) -> None:
    folder, port = Path(arguments[0]), int(arguments[1])
    settings = dict(argument.split("=", 1) for argument in arguments[2:])
    secrets = json.loads((Path(os.environ["FIG_STATE"]) / "secrets.json").read_text(encoding="utf-8"))
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
    give_up_root(USER)
    os.chdir(folder)
    if not (folder / "data").exists():
        create(folder, secrets["postgres"])
    run = command(folder, port, settings)
    os.execv(run[0], run)  # noqa: S606 (a server's own program)


if __name__ == "__main__":
    main(sys.argv[1:])
