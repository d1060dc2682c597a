"""What cannot be meant is refused in one clear message, with a next step, and nothing is changed."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from migration_plan.local import folder
from tests.support.stack import private_stack

TINY = Path(__file__).parent / "tiny.yml"
SMALL = Path(__file__).parent / "small.yml"

ONE = "processes:\n  one: {command: [sleep, infinity]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE + ", colour: red}", 'unknown key "processes.one.colour"'),
        (ONE + "}\nprocess: {}", 'unknown key "process"'),
        (ONE + ", after: [two]}", 'one: after: there is no "two"'),
        (
            ONE + ", after: [two]}\n  two: {command: [sleep, infinity], after: [one]}",
            "these wait for each other: one, two",
        ),
        (ONE + ', health: {http: "http://${HOST_OF_IT}/"}}', "variable HOST_OF_IT is not set"),
        (ONE + ', health: {http: "${A_A}", command: ["${B_B}"]}}', "name exactly one of http, tcp"),
        (ONE + ', environment: {A: "${A_A}", B: "${B_B}"}}', "variables A_A, B_B are not set"),
        (
            ONE + ", ports: {a: 1}}\n  two: {command: [sleep, infinity], ports: {b: 1}}",
            "port offset 1 is used by one and two",
        ),
        (
            ONE + ", ports: {a: 1}}\n  two: {command: [sleep, infinity], ports: {a: 2}}",
            'port "a" is named by one and two',
        ),
        (ONE + ", ports: {a: 4000}}", "processes.one.ports.a: Input should be less than or equal to 199"),
        (ONE + ", health: {tcp: x, within: 3}}", "a duration is a number and a unit"),
        ("processes:\n  one: {ports: {a: 1}}", "name exactly one of command, postgres, rabbitmq, kafka"),
        (ONE + "}\n  one: {command: [sleep, infinity]}", 'key "one" is given twice'),
        (ONE + "}\nsteps:\n  one: {command: [sleep, infinity]}", '"one" is both a process and a step'),
        ("processes: [", "is not valid YAML"),
        ("", "is not a mapping of settings"),
        ("processes: {}", "processes: Dictionary should have at least 1 item"),
    ],
)
def test_a_stack_file_that_cannot_be_meant_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "stack.yml"
    file.write_text(text, encoding="utf-8")
    with private_stack(file) as stack:
        refused = stack.fig("up")
        assert refused.returncode == 2
        assert message in refused.stderr
        assert str(file) in refused.stderr
        assert "next: " in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not stack.state.exists(), "nothing was changed"


def test_a_stack_file_that_is_not_there_is_refused(tmp_path):
    with private_stack(tmp_path / "nowhere.yml") as stack:
        refused = stack.fig("up")
        assert refused.returncode == 2
        assert "No such file" in refused.stderr


@pytest.mark.parametrize("base", ["seven", "80", "64000"])
def test_a_port_base_that_cannot_be_used_is_refused(base):
    with private_stack(TINY) as stack:
        refused = stack.fig("up", environment={"FIG_PORT_BASE": base})
        assert refused.returncode == 2
        assert "FIG_PORT_BASE" in refused.stderr
        assert not stack.state.exists()


def test_a_taken_port_is_named_with_the_setting_that_changes_it_before_anything_starts():
    with private_stack(TINY) as stack, socket.socket() as other:
        other.bind(("127.0.0.1", stack.base))
        other.listen()
        refused = stack.fig("up")
        assert refused.returncode == 20
        assert f"port {stack.base} (web of web)" in refused.stderr
        assert "FIG_PORT_BASE" in refused.stderr
        assert stack.fig("status").returncode == 25, "nothing was started"


@pytest.mark.skipif(os.geteuid() != 0, reason="only servers started by root run as another user")
def test_a_folder_that_servers_cannot_reach_is_replaced_and_said_so():
    closed = Path(tempfile.mkdtemp(prefix="fig-closed-", dir="/var/tmp"))  # mkdtemp closes it to others.
    wanted = closed / "state"
    instead, _ = folder.choose(wanted)
    try:
        with private_stack(SMALL) as stack:
            settings = {"FIG_STATE": str(wanted)}
            done = stack.fig("up", environment=settings)
            assert done.returncode == 0, done.stderr
            assert str(instead) in done.stderr
            assert "cannot reach it" in done.stderr
            assert stack.fig("status", environment=settings).returncode == 0
            assert stack.fig("down", "--wipe", environment=settings).returncode == 0
        assert not instead.exists()
        assert not wanted.exists()
    finally:
        shutil.rmtree(closed)


def test_a_folder_with_a_path_too_long_for_sockets_is_replaced(tmp_path):
    long = Path("/var/tmp") / ("long" * 30)
    instead, reason = folder.choose(long)
    assert instead != long
    assert "too long" in reason


def test_a_folder_of_somebody_else_is_refused(server_folder):
    theirs = server_folder / "theirs"
    theirs.mkdir()
    (theirs / "letter").write_text("not yours", encoding="utf-8")
    with private_stack(TINY) as stack:
        refused = stack.fig("up", environment={"FIG_STATE": str(theirs)})
    assert refused.returncode == 24
    assert "is not empty and holds no stack" in refused.stderr
    assert [file.name for file in theirs.iterdir()] == ["letter"]


def test_a_process_that_ends_again_and_again_is_shown_with_its_last_words(tmp_path):
    file = tmp_path / "stack.yml"
    file.write_text('processes:\n  one: {command: [sh, -c, "echo the disk is full; exit 3"]}', encoding="utf-8")
    with private_stack(file) as stack:
        failed = stack.fig("up")
        assert failed.returncode == 21
        assert "one ends again and again" in failed.stderr
        assert "the disk is full" in failed.stderr
        assert "next: fig logs one" in failed.stderr


def test_a_process_that_never_becomes_healthy_is_given_up_at_its_deadline(tmp_path):
    file = tmp_path / "stack.yml"
    file.write_text(ONE + ', ports: {a: 0}, health: {tcp: "127.0.0.1:${PORT_A}", within: 500ms}}', encoding="utf-8")
    with private_stack(file) as stack:
        failed = stack.fig("up")
        assert failed.returncode == 21
        assert "was not healthy within" in failed.stderr
        assert "refused" in failed.stderr


def test_a_step_that_fails_stops_the_start_with_its_last_words_and_is_repeated(tmp_path):
    file = tmp_path / "stack.yml"
    step = '\nsteps:\n  make: {command: [sh, -c, "echo try; test -e ${READY}"], once: true}'
    file.write_text(ONE + ", after: [make]}" + step, encoding="utf-8")
    with private_stack(file, {"READY": str(tmp_path / "ready")}) as stack:
        failed = stack.fig("up")
        assert failed.returncode == 22
        assert "step make ended with exit code 1" in failed.stderr
        assert stack.status()["one"].pid is None, "what needs the step was not started"
        (tmp_path / "ready").touch()
        stack.up()
        stack.up()
        assert stack.fig("logs", "make").stdout == "try\ntry\n", "done once means once it has succeeded"


def test_errors_come_as_json_where_json_is_asked_for(tmp_path):
    with private_stack(tmp_path / "nowhere.yml") as stack:
        assert '"error": "document-invalid"' in stack.fig("up", "--json").stdout
