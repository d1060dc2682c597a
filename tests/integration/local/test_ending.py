"""`fig down` leaves nothing behind, whatever happened before."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from migration_plan.local import down, folder, mortal, ports, processes
from tests.support import dying
from tests.support.stack import private_stack
from tests.support.waiting import wait_until

TINY = Path(__file__).parent / "tiny.yml"

BROKER = """
processes:
  broker:
    ports: {amqp: 0, distribution: 1, epmd: 2}
    rabbitmq: {account: nameko}
"""


def test_down_ends_every_process_promptly_and_once_more_is_no_error():
    with private_stack(TINY) as stack:
        stack.up()
        session = stack.session()
        began = time.monotonic()
        stack.down()
        assert time.monotonic() - began < 15, "the stop's own patience was not needed"
        assert processes.of_session(session) == []
        assert ports.is_free(stack.base)
        assert stack.fig("status").returncode == 25
        stack.down()


def test_down_ends_what_a_killed_supervisor_left_running():
    with private_stack(TINY) as stack:
        stack.up()
        session = stack.session()
        os.kill(session, signal.SIGKILL)
        wait_until(lambda: processes.describe(session) is None, 5, "the supervisor is gone")
        assert processes.of_session(session), "its processes are still there"
        stack.down()
        assert processes.of_session(session) == []
        assert ports.is_free(stack.base)


@pytest.mark.full  # 18 s of waiting for somebody who does not answer.
def test_down_ends_a_stack_whose_supervisor_is_frozen():
    with private_stack(TINY) as stack:
        stack.up()
        session = stack.session()
        os.kill(session, signal.SIGSTOP)
        stack.down()
        assert processes.of_session(session) == []


def test_up_after_a_killed_supervisor_starts_from_a_clean_floor():
    with private_stack(TINY) as stack:
        stack.up()
        former = stack.session()
        os.kill(former, signal.SIGKILL)
        wait_until(lambda: processes.describe(former) is None, 5, "the supervisor is gone")
        stack.up()
        assert processes.of_session(former) == []
        stack.wait_until_healthy(seconds=5)


def test_wipe_removes_the_state_and_the_next_up_begins_from_nothing():
    with private_stack(TINY) as stack:
        stack.up()
        secrets = (stack.state / "secrets.json").read_text(encoding="utf-8")
        assert stack.fig("down", "--wipe").returncode == 0
        assert not stack.state.exists()
        stack.up()
        assert (stack.state / "secrets.json").read_text(encoding="utf-8") != secrets


def test_a_folder_that_holds_no_stack_is_never_wiped(server_folder):
    mine = server_folder / "mine"
    mine.mkdir()
    (mine / "letter").write_text("keep me", encoding="utf-8")
    with private_stack(TINY) as stack:
        refused = stack.fig("down", "--wipe", environment={"FIG_STATE": str(mine)})
    assert refused.returncode == 24
    assert "holds no stack" in refused.stderr
    assert (mine / "letter").exists()


@pytest.mark.full  # Erlang starts three times.
def test_a_broker_answers_comes_back_and_leaves_neither_epmd_nor_erlang(tmp_path):
    file = tmp_path / "stack.yml"
    file.write_text(BROKER, encoding="utf-8")
    with private_stack(file) as stack:
        stack.up()
        assert set(stack.status()) == {"broker", "broker-epmd"}
        owner = Path(f"/proc/{stack.pid('broker')}").stat().st_uid
        assert owner == (65534 if os.geteuid() == 0 else os.geteuid())
        stack.wait_until_back("broker", stack.kill("broker"))
        session = stack.session()
        stack.down()
        assert processes.of_session(session) == []
        assert all(ports.is_free(stack.base + offset) for offset in range(3))
        assert mentioning(str(stack.state)) == []


def mentioning(text: str) -> list[str]:
    """Processes of the whole machine with this text in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
            if text in (line := file.read_text(encoding="utf-8", errors="replace")):
                found.append(line)
    return found


def start_a_sleeper_and_die(where: str) -> None:
    sleeper = subprocess.Popen(["sleep", "7777"], preexec_fn=mortal.with_us())
    Path(where).write_text(str(sleeper.pid), encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_must_not_outlive_us_ends_when_we_are_killed(tmp_path):
    note = tmp_path / "pid"
    dying.run(start_a_sleeper_and_die, str(note))
    pid = int(note.read_text(encoding="utf-8"))
    try:
        wait_until(lambda: processes.describe(pid) is None, 5, "the sleeper is gone")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wipe_and_die(state: str) -> None:
    removed = shutil.rmtree

    def last(path: Path) -> None:
        removed(path)
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = last  # type: ignore[assignment]
    down.wipe(Path(state))


def test_a_wipe_that_was_killed_is_repeated_and_leaves_nothing(server_folder):
    state = server_folder / "s"
    folder.prepare(state)
    while len(list(state.iterdir())) > 1:
        dying.run(wipe_and_die, str(state))
        assert (state / folder.MARK).exists(), "still known as ours"
    down.wipe(state)
    assert not state.exists()
