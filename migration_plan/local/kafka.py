"""The Kafka broker of the local stack: a cluster of one (KRaft), made at its first start, then run in the foreground.

`python -m migration_plan.local.kafka FOLDER PORT CONTROLLER_PORT HEAP_MB`, started as root or as anyone: gives up root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from migration_plan.local import kafka_node
from migration_plan.local.folder import reachable
from migration_plan.local.kafka_node import Node
from migration_plan.local.start import give_up_root

USER = "nobody"


def jars_for(folder: Path) -> Path:
    """Where the unprivileged broker finds its jars: the project's, or copies where the project is closed to others."""
    if reachable(kafka_node.JARS / "server"):
        return kafka_node.JARS
    own = folder / "jars"
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(kafka_node.JARS / "server", own / "server")
    return own


def own_all(folder: Path) -> None:
    """What root has made in the folder becomes the broker's."""
    nobody = pwd.getpwnam(USER)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def main(arguments: list[str]) -> None:
    folder, (port, controller_port, heap) = Path(arguments[0]), map(int, arguments[1:])
    folder.mkdir(mode=0o700, exist_ok=True)
    jars = jars_for(folder)
    if os.geteuid() == 0:
        own_all(folder)
    give_up_root(USER)
    os.chdir(folder)
    node = Node(1, port, controller_port)
    kafka_node.write_files(folder, kafka_node.properties(node, [node], folder / "data"))
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    java = kafka_node.java(folder, heap, brief=True, jars=jars)
    subprocess.run([*java, *kafka_node.format_arguments(folder)], env=own, check=True)
    os.execvpe(java[0], [*java, *kafka_node.run_arguments(folder)], own)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
