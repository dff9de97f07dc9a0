"""The warm engine: one Spark Connect server per user and set of settings, shared by every step and run.

Who uses it holds a shared lock on `clients.lock` for as long as it may compute; the supervisor (spark_supervisor.py)
stops an engine whose lock nobody has held for a while. A lock goes with its process, however that ends. Whether an
engine is up is told by engine_state.py.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.folders import private_folder
from lakehouse_assets.resources.engine_state import Server, alive, is_engine, published
from lakehouse_assets.resources.jars import AZURE, ENGINE, jar_class_path, java, locked_jars, spark_home

START_SECONDS = 180
# A quarter of the memory is for what is new, from the start (-Xms, below): of 3 GB, the JVM would begin with 130 MB
# for it, and collect garbage three times as often: 6 % of a build. Room for its classes spares it five whole
# collections while it starts.
JVM = (
    "-XX:+UseSerialGC -XX:NewRatio=3 -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=512m -XX:-DontCompileHugeMethods"
    # Its counters would be in a folder of /tmp, with the command line among them.
    " -XX:-UsePerfData"
    # A message in Avro may lie of a length: 2 GB would be made room for, and a task that has none fails the run.
    " -Dorg.apache.avro.limits.bytes.maxLength=268435456 -Dorg.apache.avro.limits.string.maxLength=268435456"
    " -Dorg.apache.avro.limits.collectionItems.maxLength=10000000"
)
CONF = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    # The ports of its RPC and of its block manager, which take Java objects, listen on loopback too. What goes through
    # them isn't encrypted (spark.network.crypto): only root could read it, and 2 of 6 engines lost an answer in that.
    "spark.authenticate": "true",
    # A port that is taken fails the start; Spark would listen on the next one, where nobody looks for it.
    "spark.port.maxRetries": "0",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Delta replays a log with 50 partitions unless told otherwise: 5 to 10 times the cost of a small write.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Delta keeps what it knows of 10,000 tables for an hour unless told otherwise. That is up to 0.9 MB a table, plans
    # for the most part: after 2,500 tables an engine of 3 GB did little but collect garbage.
    "spark.databricks.delta.delta.log.cacheSize": "500",
    # A session that its client left behind, as a process that ends does, keeps what it knows for an hour unless told
    # otherwise: plans of some 10 MB. With a hundred of them, an engine of 3 GB did little but collect garbage.
    "spark.connect.session.manager.defaultSessionTimeout": "20m",
    # Many files are listed by a Spark job with a task a file, unless told otherwise: 1.4 s for 365 files, 0.1 with 8.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.sql.session.timeZone": "UTC",
    # A task that asks for more memory than there is fails alone. Spark would end the engine, and every run on it.
    "spark.executor.killOnFatalError.depth": "0",
    # Runs that read no more than this are interpreted (engine/run/small_runs.py).
    "spark.lakehouse.interpretedBytes": "1000000",
    # The lineage of columns is read off the plan, which must not be cut.
    "spark.sql.debug.maxToStringFields": "100000",
    # Otherwise every column expression records the Python stack it was made in.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # Spark's own pattern, and what Azure's keys and signatures are called.
    "spark.redaction.regex": r"(?i)secret|password|passwd|token|access[.]?key|account[.]key|[.]sas[.]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}


@dataclass(frozen=True)
class ServerSettings:
    """What makes one warm engine different from another."""

    cache: Path
    memory: str
    cores: int
    idle_minutes: float
    azure: bool = False

    @property
    def folder(self) -> Path:
        """Where this engine keeps its state, its locks and its log."""
        jars = locked_jars(AZURE if self.azure else ENGINE)
        parts = repr((self.memory, self.cores, self.idle_minutes, CONF, JVM, jars, str(spark_home()), sys.executable))
        return self.cache / "engine" / hashlib.sha256(parts.encode()).hexdigest()[:12]


def running(settings: ServerSettings) -> Server | None:
    """The engine if it is up, without starting one."""
    server = published(settings.folder / "state.json")
    return server if server and is_engine(server) else None


def attach(settings: ServerSettings) -> Server:
    """The engine, started if none is up; this process counts as one of its clients from now until it ends.

    Raises:
        SparkUnavailable: it could not be started; the message has the end of its log.
    """
    private_folder(settings.cache, "the cache")
    private_folder(settings.folder, "the engine's folder")
    _hold_client_lock(settings)
    return running(settings) or _start(settings)


def stop(settings: ServerSettings, seconds: float = 60) -> bool:
    """Stop the engine, if one is up, and wait until it's gone. True if there was one."""
    server = running(settings)
    if server is None:
        return False
    os.kill(server.supervisor, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while alive(server.pid) or alive(server.supervisor):
        if time.monotonic() > deadline:
            raise SparkUnavailable(f"Stopping the engine: process {server.pid} did not end in {seconds:.0f} s")
        time.sleep(0.05)
    return True


def log_tail(settings: ServerSettings, lines: int = 15) -> list[str]:
    """The last lines of the engine's log, without the frames of Java's stacks."""
    log = settings.folder / "server.log"
    told = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in told if not line.startswith(("\tat ", "\t..."))][-lines:]


_held: dict[Path, int] = {}


def _hold_client_lock(settings: ServerSettings) -> None:
    path = settings.folder / "clients.lock"
    if path not in _held:
        _held[path] = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(_held[path], fcntl.LOCK_SH)


def release(settings: ServerSettings) -> None:
    """Stop counting this process as a client."""
    descriptor = _held.pop(settings.folder / "clients.lock", None)
    if descriptor is not None:
        os.close(descriptor)


def _start(settings: ServerSettings) -> Server:
    with _exclusive(settings.folder / "start.lock"):
        server = running(settings)
        if server is not None:
            return server
        (settings.folder / "state.json").unlink(missing_ok=True)
        _tidy(settings.folder)
        return _wait_until_up(settings, _spawn_supervisor(settings))


def _tidy(folder: Path) -> None:
    """Remove the temporary files of engines whose supervisor was killed."""
    for left in folder.glob("tmp-*"):
        if not alive(int(left.name.removeprefix("tmp-"))):
            shutil.rmtree(left, ignore_errors=True)


def _spawn_supervisor(settings: ServerSettings) -> subprocess.Popen[str]:
    java()  # a missing one gets its own message, not the shell's
    port = _free_port()
    launch = {
        "command": [str(spark_home() / "bin" / "spark-submit")],
        "conf": _conf(settings, port),
        "folder": str(settings.folder),
        "port": port,
        "token": secrets.token_urlsafe(24),
        "idle_seconds": settings.idle_minutes * 60,
    }
    log = os.open(settings.folder / "server.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    # A session of its own: Ctrl-C in the client's terminal must not stop an engine that others use.
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("spark_supervisor.py"))],
        stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=settings.folder, text=True,
    )  # fmt: skip
    os.close(log)
    assert process.stdin is not None  # noqa: S101  (told by PIPE)
    with process.stdin as pipe:
        json.dump(launch, pipe)
    return process


def _wait_until_up(settings: ServerSettings, supervisor: subprocess.Popen[str]) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = running(settings)
        if server is not None:
            # It outlives this process, so it is not ours to wait for.
            supervisor.returncode = 0
            return server
        if supervisor.poll() is not None:
            break
        time.sleep(0.1)
    supervisor.kill()
    raise SparkUnavailable("Starting the Spark engine failed; the end of its log:", log_tail(settings))


def _conf(settings: ServerSettings, port: int) -> dict[str, str]:
    return CONF | {
        "spark.master": f"local[{settings.cores}]",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.memory": settings.memory,
        "spark.driver.extraJavaOptions": f"{JVM} -Xms{settings.memory}",
        "spark.driver.extraClassPath": jar_class_path(settings.cache, AZURE if settings.azure else ENGINE),
        "spark.sql.shuffle.partitions": str(settings.cores),
    }


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
