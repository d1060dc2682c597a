"""nginx as a process: in the foreground under a supervisor, as root or as an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys

import pytest

from proxy import nginx
from proxy.errors import ProxyUnreachable
from tests.support.waiting import wait_until


def answers(world):
    try:
        return world.client.routes()
    except ProxyUnreachable:
        return None


@pytest.fixture
def stopped_world(own_world):
    own_world.stop()
    return own_world


def command(world, *more):
    file = world.config.folder.parent / "proxy.json"
    file.write_text(json.dumps(world.config.document()))
    return [sys.executable, "-m", "proxy.nginx", "--config", str(file), *more]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_the_module_becomes_nginx_in_the_foreground_and_ends_with_it(stopped_world, how):
    world = stopped_world
    world.process = subprocess.Popen(command(world))
    wait_until(lambda: answers(world), 10, "it answers")
    assert int((world.config.folder / "nginx.pid").read_text()) == world.process.pid
    assert world.user().get("/x").text == "monolith"
    world.process.send_signal(how)
    assert world.process.wait(10) == 0


def test_a_start_after_sigkill_needs_no_help(stopped_world):
    world = stopped_world
    for _ in range(2):
        world.process = subprocess.Popen(command(world))
        wait_until(lambda: answers(world), 10, "it answers")
        left = world.workers()
        world.process.kill()
        world.process.wait()
        for worker in left:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: answers(world) is None, 5, "all is gone")


def test_a_check_says_what_is_wrong_and_what_to_do(stopped_world):
    world = stopped_world
    assert subprocess.run(command(world, "--check"), check=False).returncode == 0
    wrong = command(world, "--check")
    file = world.config.folder.parent / "proxy.json"
    file.write_text(json.dumps({**world.config.document(), "public": "nowhere"}))
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "the proxy's configuration is invalid: public 'nowhere' is not an address like 127.0.0.1:7400",
        "correct the named values",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_run_it(stopped_world, monkeypatch):
    world = stopped_world
    nobody = pwd.getpwnam("nobody")
    shutil.rmtree(world.config.folder)
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    nginx.install(world.config)
    monkeypatch.undo()
    for path in (world.config.folder, *world.config.folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    world.process = subprocess.Popen(
        nginx.argv(world.config), user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/"
    )
    wait_until(lambda: answers(world), 10, "it answers")
    state = world.client.set_route("catalog", 5, "service")
    assert world.user().post("/api/catalog/x", content=b"x" * 100_000).text == "catalog"
    assert json.loads((world.config.folder / "routes" / "catalog.json").read_text())["epoch"] == state.epoch
