"""The RabbitMQ broker of the local stack, private to it, run in the foreground and unprivileged.

`python -m migration_plan.local.rabbitmq FOLDER PORT DISTRIBUTION_PORT EPMD_PORT ACCOUNT`. Its port mapper epmd is
supervised beside it, because one that Erlang starts by itself outlives the broker.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from pathlib import Path

from migration_plan.local.errors import ProgramMissing
from migration_plan.local.start import give_up_root

USER = "nobody"
_ERLANG = ("-noinput", "-start_epmd false", "+S 2:2", "+sbwt none", "+sbwtdcpu none", "+sbwtdio none")
# Debian's wrapper in the PATH insists on root or its own user; the program behind it does not.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def check_installed() -> None:
    if not _PROGRAM.exists() or shutil.which("epmd") is None:
        raise ProgramMissing("RabbitMQ")


def epmd_command(port: int) -> tuple[str, ...]:
    return ("epmd", "-port", str(port), "-address", "127.0.0.1")


def configuration(port: int, distribution_port: int, account: str, password: str) -> str:
    """The text of rabbitmq.conf."""
    return f"""\
listeners.tcp.1 = 127.0.0.1:{port}
distribution.listener.interface = 127.0.0.1
distribution.listener.port_range.min = {distribution_port}
distribution.listener.port_range.max = {distribution_port}
default_user = {account}
default_pass = {password}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
"""


def environment(folder: Path, epmd_port: int, distribution_port: int) -> dict[str, str]:
    """Everything private to the folder, nothing inherited."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "fig@localhost",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        # Erlang replaces the shell script, so that a signal to the process reaches the broker itself.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(_ERLANG),
    }


def write_files(folder: Path, conf: str, cookie: str) -> None:
    for name in ("home", "mnesia", "log"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    for path, text in (
        (folder / "rabbitmq.conf", conf),
        (folder / "enabled_plugins", "[].\n"),
        (folder / "home" / ".erlang.cookie", cookie),
    ):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o400)


def main(arguments: list[str]) -> None:
    folder, account = Path(arguments[0]), arguments[4]
    port, distribution_port, epmd_port = map(int, arguments[1:4])
    secrets = json.loads((Path(os.environ["FIG_STATE"]) / "secrets.json").read_text(encoding="utf-8"))
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(USER)
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    give_up_root(USER)
    os.chdir(folder)
    write_files(folder, configuration(port, distribution_port, account, secrets[account]), secrets["erlang_cookie"])
    os.execve(_PROGRAM, [str(_PROGRAM)], environment(folder, epmd_port, distribution_port))  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
