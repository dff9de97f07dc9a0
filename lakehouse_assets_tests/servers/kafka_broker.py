"""A Kafka broker of the tests' own on loopback, which can be killed and started again.

It's Kafka itself in KRaft mode, from pinned JARs (46 MB), and keeps what it has in a folder.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.folders import private_folder
from lakehouse_assets.resources.jars import KAFKA, jar_class_path, java

START_SECONDS = 60  # 3 to 7 s here
# Any will do, as there is no other broker in the cluster.
_CLUSTER = "bGFrZWhvdXNlLWJyb2tlcg"
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass
class Broker:
    """A broker that keeps its topics in `folder`; `address` is where clients reach it, also after a new start."""

    folder: Path
    cache: Path
    properties: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())
    controller: int = field(default_factory=lambda: free_port())
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and return once it answers.

        Raises:
            StreamUnavailable: it ends by itself, or doesn't answer.
        """
        private_folder(self.folder, "the broker's folder")
        file, log = self.folder / "server.properties", self.folder / "log"
        file.write_text("\n".join(f"{name}={value}" for name, value in (_told(self) | self.properties).items()))
        if not (self.folder / "topics").exists():
            self._run("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(file)).wait()
        self._process = self._run("kafka.Kafka", str(file))
        if not self._answers():
            self.kill()
            last = log.read_text().splitlines()[-10:]
            raise StreamUnavailable(f"Starting a Kafka broker: it doesn't answer; see {log}", last)

    def stop(self) -> None:
        """End it in order."""
        if self._process:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """End it at once, as a machine that fails."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [java(), *_JVM, "-cp", jar_class_path(self.cache, KAFKA), program, *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        for _ in range(START_SECONDS):
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                return bool(client.list_topics(timeout=1).brokers)
            except KafkaException:
                continue
        return False


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _told(broker: Broker) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{broker.controller}",
        "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://127.0.0.1:{broker.controller}",
        "advertised.listeners": f"PLAINTEXT://{broker.address}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(broker.folder / "topics"),
        # Of one broker there is one copy.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
    }
