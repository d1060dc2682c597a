"""nginx as a process: in the foreground under a supervisor, as root or as an ordinary user."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy import installation, watchdog
from proxy.client import ProxyClient
from proxy.errors import ProxyUnreachable, RouteRefused
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


def test_routes_go_on_changing_whoever_is_killed_while_they_do(stopped_world):
    """A dead worker's lock is replaced; and where it died with a lock of nginx's own, nginx is."""
    world, stop = stopped_world, threading.Event()

    def supervise():
        while not stop.is_set():
            world.process = subprocess.Popen(command(world))
            while world.process.poll() is None:
                if stop.wait(0.05):
                    world.process.terminate()

    def change():
        client = ProxyClient("again", world.config.admin_socket)
        while not stop.is_set():
            try:
                client.set_route("catalog", client.routes()["catalog"].epoch + 1, "service")
            except (ProxyUnreachable, RouteRefused):
                continue  # Its worker was killed, or another one was quicker.

    def epoch():
        state = answers(world)
        return state["catalog"].epoch if state else -1

    with ThreadPoolExecutor(5) as pool:
        supervised = pool.submit(supervise)
        wait_until(lambda: epoch() >= 0, 10, "it answers")
        running = [pool.submit(change) for _ in range(4)]
        try:
            for _ in range(15):
                before = epoch()
                with contextlib.suppress(ProcessLookupError, IndexError):  # It is being replaced just now.
                    os.kill(random.choice(world.workers()), signal.SIGKILL)
                wait_until(lambda: epoch() > before + 5, 30, "routes go on changing")  # noqa: B023
        finally:
            stop.set()
        for future in (*running, supervised):
            future.result()


def test_a_silence_that_began_with_a_worker_s_death_is_ended_to_be_started_anew(stopped_world):
    """As when a worker dies with the lock of a shared dictionary: whoever is left can never answer again."""
    world = stopped_world
    world.process = subprocess.Popen(command(world))
    wait_until(lambda: answers(world) and len(world.workers()) == 2, 10, "it answers")
    seen = time.monotonic() + 2 * watchdog.EVERY
    wait_until(lambda: time.monotonic() > seen, 10, "the watchdog has seen these workers")
    world.process.send_signal(signal.SIGSTOP)  # Nobody is replaced.
    victim, left = world.workers()
    os.kill(left, signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    assert world.process.wait(20) == -signal.SIGKILL
    wait_until(lambda: not Path(f"/proc/{left}").exists(), 5, "the worker that was left is gone, too")


def test_workers_of_a_master_that_was_killed_alone_make_room_for_the_next_one(stopped_world):
    world = stopped_world
    world.process = subprocess.Popen(command(world), process_group=0)
    wait_until(lambda: answers(world) and len(world.workers()) == 2, 10, "it answers")
    left = world.workers()
    world.process.kill()
    world.process.wait()
    world.process = subprocess.Popen(command(world), process_group=0)
    wait_until(lambda: answers(world) and len(world.workers()) == 2, 10, "the next one answers")
    for worker in left:
        wait_until(lambda worker=worker: not Path(f"/proc/{worker}").exists(), 5, "the former worker is gone")  # type: ignore[misc]


def test_a_silence_without_a_death_is_waited_for(stopped_world):
    world = stopped_world
    world.process = subprocess.Popen(command(world))
    wait_until(lambda: answers(world) and len(world.workers()) == 2, 10, "it answers")
    frozen = [world.process.pid, *world.workers()]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        world.process.wait(2 * watchdog.PATIENCE)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: answers(world), 10, "it answers again")


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
    installation.install(world.config)
    monkeypatch.undo()
    for path in (world.config.folder, *world.config.folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    world.process = subprocess.Popen(
        installation.argv(world.config), user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/"
    )
    wait_until(lambda: answers(world), 10, "it answers")
    state = world.client.set_route("catalog", 5, "service")
    assert world.user().post("/api/catalog/x", content=b"x" * 100_000).text == "catalog"
    assert json.loads((world.config.folder / "routes" / "catalog.json").read_text())["epoch"] == state.epoch
