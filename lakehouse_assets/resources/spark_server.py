"""The warm engine: one Spark Connect server per machine and set of settings, shared by every step and run.

Who uses it holds a shared lock on `clients.lock` for as long as it may compute; the supervisor (spark_supervisor.py)
stops an engine whose lock nobody has held for a while. A lock goes with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
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
from lakehouse_assets.resources.jars import jar_folder, java, locked_jars, spark_home

START_SECONDS = 180
# A quarter of the memory is for what is new, from the start (-Xms, below): of 3 GB, the JVM would begin with 130 MB
# for it, and collect garbage three times as often: 6 % of a build. Room for its classes spares it five whole
# collections while it starts.
JVM = (
    "-XX:+UseSerialGC -XX:NewRatio=3 -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=512m -XX:-DontCompileHugeMethods"
)
CONF = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Delta replays a log with 50 partitions unless told otherwise: 5 to 10 times the cost of a small write.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Many files are listed by a Spark job with a task a file, unless told otherwise: 1.4 s for 365 files, 0.1 with 8.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.sql.session.timeZone": "UTC",
    # Runs that read no more than this are interpreted (engine/run/interpret.py).
    "spark.lakehouse.interpretedBytes": "1000000",
    # The lineage of columns is read off the plan, which must not be cut.
    "spark.sql.debug.maxToStringFields": "100000",
    # Otherwise every column expression records the Python stack it was made in.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
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
        jars = locked_jars(azure=self.azure)
        parts = repr((self.memory, self.cores, self.idle_minutes, CONF, JVM, jars, str(spark_home())))
        return self.cache / "engine" / hashlib.sha256(parts.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Server:
    """A running engine: process ids of the JVM and of its supervisor, the loopback port, the token clients present."""

    pid: int
    supervisor: int
    port: int
    token: str
    started: float

    @property
    def url(self) -> str:
        return f"sc://localhost:{self.port}/;token={self.token}"


def running(settings: ServerSettings) -> Server | None:
    """The engine if it is up, without starting one."""
    try:
        server = Server(**json.loads((settings.folder / "state.json").read_text()))
    except FileNotFoundError:
        return None
    return server if _answers(server) else None


def attach(settings: ServerSettings) -> Server:
    """The engine, started if none is up; this process counts as one of its clients from now until it ends.

    Raises:
        SparkUnavailable: it could not be started; the message has the end of its log.
    """
    _folder(settings)
    _hold_client_lock(settings)
    return running(settings) or _start(settings)


def stop(settings: ServerSettings, seconds: float = 60) -> bool:
    """Stop the engine, if one is up, and wait until it's gone. True if there was one."""
    server = running(settings)
    if server is None:
        return False
    os.kill(server.supervisor, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while _alive(server.pid) or _alive(server.supervisor):
        if time.monotonic() > deadline:
            raise SparkUnavailable(f"Stopping the engine: process {server.pid} did not end in {seconds:.0f} s")
        time.sleep(0.05)
    return True


def log_tail(settings: ServerSettings, lines: int = 15) -> str:
    """The last lines of the engine's log."""
    log = settings.folder / "server.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


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
        return _wait_until_up(settings, _spawn_supervisor(settings))


def _spawn_supervisor(settings: ServerSettings) -> subprocess.Popen[str]:
    launch = {
        "command": _command(settings, port := _free_port()),
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
    raise SparkUnavailable(f"Starting the Spark engine failed; the end of its log:\n{log_tail(settings)}")


def _command(settings: ServerSettings, port: int) -> list[str]:
    conf = CONF | {
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.memory": settings.memory,
        "spark.driver.extraJavaOptions": f"{JVM} -Xms{settings.memory}",
        "spark.driver.extraClassPath": f"{jar_folder(settings.cache, azure=settings.azure)}/*",
        "spark.sql.shuffle.partitions": str(settings.cores),
    }
    submit = [str(spark_home() / "bin" / "spark-submit"), "--master", f"local[{settings.cores}]"]
    pairs = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    java()  # a missing Java gets its own message, not the shell's
    return [*submit, *pairs, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]


def _folder(settings: ServerSettings) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)


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


def _answers(server: Server) -> bool:
    if not _alive(server.pid):
        return False
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # A process that ended but wasn't waited for yet is a zombie: gone for us.
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
