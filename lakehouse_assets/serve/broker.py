"""A Kafka broker on loopback: one for who has none, and the tests' own, which can be killed and started again.

It's Kafka itself in KRaft mode, from pinned JARs (46 MB), and keeps what it has in a folder.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.folders import private_folder
from lakehouse_assets.loopback import free_port
from lakehouse_assets.resources.engine_state import Server
from lakehouse_assets.resources.jars import KAFKA, jar_class_path, java
from lakehouse_assets.resources.local_kafka import login, state_file
from lakehouse_assets.resources.spark_supervisor import PR_SET_PDEATHSIG, publish

START_SECONDS = 60  # 3 to 7 s here
STOP_SECONDS = 20  # 1 to 3 s here
# Any will do, as there is no other broker in the cluster.
_CLUSTER = "bGFrZWhvdXNlLWJyb2tlcg"
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")  # fmt: skip
# It becomes another program, and is killed once its parent is gone. Not by a function between fork and exec, which may
# hang where the parent has threads, as those of JAX.
_DIE_WITH_PARENT = f"""
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGKILL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass
class Broker:
    """A broker that keeps its topics in `folder`; `address` is where clients reach it, also after a new start.

    With a password it takes nobody without.
    """

    folder: Path
    cache: Path
    password: str = field(default="", repr=False)
    properties: dict[str, str] = field(default_factory=dict, repr=False)
    port: int = field(default_factory=free_port)
    controller: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def client(self) -> Mapping[str, str]:
        """What a client is told, as librdkafka has it."""
        return login(self.port, self.password) if self.password else {"bootstrap.servers": self.address}

    @property
    def pid(self) -> int:
        """The process that listens; 0 where none does."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it, and return once it answers. It ends with this process, however that ends.

        Raises:
            StreamUnavailable: it ends by itself, or doesn't answer.
            SparkUnavailable: there is no Java, or its JARs can't be resolved.
        """
        private_folder(self.folder, "the broker's folder")
        file, log = self.folder / "server.properties", self.folder / "log"
        file.touch(mode=0o600)
        file.write_text("\n".join(f"{name}={value}" for name, value in (_told(self) | self.properties).items()))
        if not (self.folder / "topics").exists():
            self._run("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(file)).wait()
        self._process = self._run("kafka.Kafka", str(file))
        if not self._answers():
            self.kill()
            last = [line for line in log.read_text().splitlines() if not line.startswith("\tat ")][-10:]
            raise StreamUnavailable(f"Starting a Kafka broker: it doesn't answer; see {log}", last)

    def stop(self) -> None:
        """End it in order, or at once if that takes too long."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a machine that fails."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        jvm = [java(), *_JVM, "-cp", jar_class_path(self.cache, KAFKA), program, *arguments]
        command = [sys.executable, "-c", _DIE_WITH_PARENT, *jvm]
        with (self.folder / "log").open("ab") as log:
            # In a group of its own, as Ctrl-C is for us, who have something to send before it ends.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        client = AdminClient({**self.client, "log_level": 0})
        for _ in range(START_SECONDS):
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                return bool(client.list_topics(timeout=1).brokers)
            except KafkaException:
                continue
        return False


@contextmanager
def local_broker(home: Path, cache: Path, prepare: Callable[[Mapping[str, str]], None]) -> Iterator[Broker]:
    """A broker of a lakehouse, for its owner alone, for as long as the block lasts.

    It's found by all processes of that lakehouse which have LAKEHOUSE_KAFKA unset, once it's prepared.

    Raises:
        StreamUnavailable: it can't be started.
    """
    broker, state = Broker(state_file(home).parent, cache, secrets.token_urlsafe(24)), state_file(home)
    try:
        broker.start()
        prepare(broker.client)
        publish(state, vars(Server(broker.pid, os.getpid(), broker.port, broker.password, time.time())))
        yield broker
    finally:
        state.unlink(missing_ok=True)
        broker.stop()


def _told(broker: Broker) -> dict[str, str]:
    kind = "SASL_PLAINTEXT" if broker.password else "PLAINTEXT"
    told = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{broker.controller}",
        "listeners": f"CLIENT://{broker.address},CONTROLLER://127.0.0.1:{broker.controller}",
        "advertised.listeners": f"CLIENT://{broker.address}",
        "listener.security.protocol.map": f"CONTROLLER:{kind},CLIENT:{kind}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "log.dirs": str(broker.folder / "topics"),
        # Of one broker there is one copy.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
    }
    return told | (_secured(broker.password) if broker.password else {})


def _secured(password: str) -> dict[str, str]:
    """For clients, and for the broker itself and its controller, who speak to each other by a port too."""
    user = f'{_LOGIN} username="lakehouse" password="{password}" user_lakehouse="{password}";'
    doors = ("client", "controller")
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        **{f"listener.name.{door}.sasl.enabled.mechanisms": "PLAIN" for door in doors},
        **{f"listener.name.{door}.plain.sasl.jaas.config": user for door in doors},
    }
