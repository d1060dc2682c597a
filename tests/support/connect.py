"""Kafka Connect for tests, with both of Debezium's connectors: a real worker, spoken to over its REST API."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from migration_plan.local import kafka_node
from tests.support.kafka import KafkaCluster
from tests.support.postgres import free_port
from tests.support.waiting import wait_until

JSON = "org.apache.kafka.connect.json.JsonConverter"


@dataclass
class Connect:
    """One standalone worker; its log is `folder`/log."""

    folder: Path
    cluster: KafkaCluster
    heap: int = 384
    """MB."""
    brief: bool = True
    """Start quickly; without, run fast (for measurements)."""
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def properties(self) -> dict[str, str]:
        return {
            "bootstrap.servers": self.cluster.bootstrap,
            "listeners": f"http://127.0.0.1:{self.port}",
            "plugin.path": str(kafka_node.JARS / "plugins"),
            "plugin.discovery": "service_load",
            "offset.storage.file.filename": str(self.folder / "offsets"),
            "offset.flush.interval.ms": "500",
            "key.converter": JSON,
            "value.converter": JSON,
            **self.settings,
        }

    def start(self) -> None:
        """Start the worker and wait until it answers; connectors of an earlier run are not there any more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kafka_node.write_files(self.folder, self.properties())
        command = [
            *kafka_node.java(self.folder, self.heap, brief=self.brief),
            "org.apache.kafka.connect.cli.ConnectStandalone", str(self.folder / "server.properties"),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, 120, f"Kafka Connect answers; log: {self.log}", every=0.1)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"Kafka Connect ended; its log: {self.log}"
        try:
            return self._ask("GET", "/connectors").is_success
        except httpx.HTTPError:
            return False

    def create(self, name: str, settings: Mapping[str, str]) -> None:
        """A connector that runs: it and its tasks say RUNNING."""
        answer = self._ask("POST", "/connectors", {"name": name, "config": dict(settings)})
        assert answer.is_success, f"{name} refused: {answer.text}"
        wait_until(lambda: self.runs(name), 120, f"{name} runs; log: {self.log}", every=0.1)

    def runs(self, name: str) -> bool:
        """Do it and all its tasks run? A task that failed is an error, with its reason."""
        answer = self._ask("GET", f"/connectors/{name}/status")
        if not answer.is_success:
            return False
        status: dict[str, Any] = answer.json()
        everything = [status["connector"], *status["tasks"]]
        failed = [one.get("trace", "") for one in everything if one["state"] == "FAILED"]
        assert not failed, f"{name} failed (log: {self.log}):\n{failed[0]}"
        return bool(status["tasks"]) and all(one["state"] == "RUNNING" for one in everything)

    def delete(self, name: str) -> None:
        answer = self._ask("DELETE", f"/connectors/{name}")
        assert answer.is_success, f"{name} cannot be deleted: {answer.text}"

    def _ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, json=body, timeout=30, trust_env=False)

    def kill(self) -> None:
        """A crash. What its connectors had done since they last wrote their offsets they will do again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None


@contextmanager
def running(folder: Path, cluster: KafkaCluster) -> Iterator[Connect]:
    connect = Connect(folder, cluster)
    try:
        connect.start()
        yield connect
    finally:
        connect.stop()
