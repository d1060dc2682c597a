"""Proxies of another version: refused by name, brought on by a reload, and not ended by a watchdog of the old one."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from proxy import nginx, render, watchdog
from proxy.client import ProxyClient
from proxy.errors import OtherProtocol
from tests.integration.proxy.test_process import answers, command, stopped_world
from tests.support.waiting import wait_until

__all__ = ["stopped_world"]


def speak(monkeypatch, line):
    """From now on nginx is given an admin.js that says this of itself."""
    original = render.files

    def files(*arguments, **named):
        found = original(*arguments, **named)
        return {**found, "admin.js": found["admin.js"].replace("    r.headersOut['X-Fig-Protocol'] = PROTOCOL;", line)}

    monkeypatch.setattr(render, "files", files)


@pytest.mark.parametrize(
    ("line", "found", "next_step"),
    [
        ("", "0", "fig proxies reload test"),
        ("    r.headersOut['X-Fig-Protocol'] = '2';", "2", "use the fig that it came with"),
    ],
)
def test_a_proxy_of_another_version_is_refused_by_name_until_a_reload(own_world, monkeypatch, line, found, next_step):
    world = own_world
    epoch = world.client.set_route("catalog", 5, "service").epoch
    speak(monkeypatch, line)
    with pytest.raises(OtherProtocol):
        nginx.reload(world.config)
    assert world.user().get("/api/catalog/x").text == "catalog", "people are served all the same"
    with pytest.raises(OtherProtocol, match=f"speaks version {found} of the protocol, and this fig 1") as refused:
        world.client.hold("catalog", epoch, 1)
    assert refused.value.next_step == next_step
    monkeypatch.undo()
    assert nginx.reload(world.config)["catalog"].epoch == epoch


def test_a_watchdog_of_another_version_ends_nobody_who_answers(stopped_world, monkeypatch):
    world = stopped_world
    world.process = subprocess.Popen(command(world))
    wait_until(lambda: answers(world) and len(world.workers()) == 2, 10, "it answers")
    speak(monkeypatch, "    r.headersOut['X-Fig-Protocol'] = '2';")
    with pytest.raises(OtherProtocol):
        nginx.reload(world.config)
    os.kill(world.workers()[0], signal.SIGKILL)
    end = time.monotonic() + watchdog.PATIENCE + 2 * watchdog.EVERY
    wait_until(lambda: time.monotonic() > end, 10, "a silence would have been ended")
    assert world.process.poll() is None
    with pytest.raises(OtherProtocol):
        ProxyClient("again", world.config.admin_socket).routes()
