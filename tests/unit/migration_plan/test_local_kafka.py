"""Where the unprivileged broker finds its jars, and what a broker of a cluster is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migration_plan.local import kafka, kafka_node
from migration_plan.local.kafka_node import Node


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up anything")
def test_a_project_that_is_closed_to_others_is_no_obstacle(tmp_path, monkeypatch):
    closed = tmp_path / "project"
    (closed / "server").mkdir(parents=True)
    (closed / "server" / "one.jar").write_bytes(b"jar")
    closed.chmod(0o700)
    monkeypatch.setattr(kafka_node, "JARS", closed)
    own = kafka.jars_for(tmp_path / "state")
    assert own != closed
    assert (own / "server" / "one.jar").read_bytes() == b"jar"


@pytest.mark.parametrize(("count", "copies", "acknowledged"), [(1, "1", "1"), (3, "3", "2"), (5, "3", "2")])
def test_everything_is_kept_on_as_many_nodes_as_a_cluster_can_lose_one_of(count, copies, acknowledged):
    nodes = [Node(number, 100 + number, 200 + number) for number in range(1, count + 1)]
    settings = kafka_node.properties(nodes[0], nodes, Path("/data"))
    assert settings["default.replication.factor"] == copies
    assert settings["transaction.state.log.replication.factor"] == copies
    assert settings["min.insync.replicas"] == acknowledged
