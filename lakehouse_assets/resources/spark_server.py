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
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.folders import private_folder
from lakehouse_assets.loopback import free_port
from lakehouse_assets.resources.class_archive.kept import MAKE, archive_folder, find_archive
from lakehouse_assets.resources.engine_conf import CONF, JVM
from lakehouse_assets.resources.engine_state import Server, alive, is_engine, published
from lakehouse_assets.resources.jars import AZURE, ENGINE, jar_class_path, java, locked_jars, spark_home

START_SECONDS = 180
END_SECONDS = 20
WRITING_SECONDS = 300  # of an engine that writes its classes as it ends: 8 on a quiet machine


@dataclass(frozen=True)
class ServerSettings:
    """What makes one warm engine different from another."""

    cache: Path
    memory: str
    cores: int
    idle_minutes: float
    azure: bool = False
    classes_to: Path | None = None  # where the JVM writes the classes that it has loaded, as it ends

    @property
    def locks(self) -> tuple[str, ...]:
        """The lists of its JARs."""
        return AZURE if self.azure else ENGINE

    @property
    def folder(self) -> Path:
        """Where this engine keeps its state, its locks and its log."""
        own = (self.memory, self.cores, self.idle_minutes, self.classes_to)
        parts = repr((own, CONF, JVM, locked_jars(self.locks), str(spark_home()), sys.executable))
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
    with exclusive(settings.folder / "start.lock"):
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
    port = free_port()
    classes = find_archive(classes_folder(settings))
    launch = {
        "command": [str(spark_home() / "bin" / "spark-submit")],
        "conf": _conf(settings, port, classes.path),
        "folder": str(settings.folder),
        "port": port,
        "token": secrets.token_urlsafe(24),
        "idle_seconds": settings.idle_minutes * 60,
        "end_seconds": WRITING_SECONDS if settings.classes_to else END_SECONDS,
        "note": classes.why,
        "when_idle": make_command(settings) if classes.missing and not settings.classes_to else [],
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


def classes_folder(settings: ServerSettings) -> Path:
    """Where the archive of this engine's classes is kept.

    Raises:
        SparkUnavailable: there is no Java, or a JAR isn't the one that was pinned.
    """
    pinned = jar_class_path(settings.cache, settings.locks).split(os.pathsep)
    files = [*sorted((spark_home() / "jars").glob("*.jar")), *map(Path, pinned)]
    return archive_folder(settings.cache, Path(java()), files, JVM)


def make_command(settings: ServerSettings) -> list[str]:
    """The program that makes the archive of this engine's classes, as a command line."""
    return [sys.executable, str(MAKE), json.dumps(asdict(settings), default=str)]


def _conf(settings: ServerSettings, port: int, classes: Path | None) -> dict[str, str]:
    return CONF | {
        "spark.master": f"local[{settings.cores}]",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.memory": settings.memory,
        "spark.driver.extraJavaOptions": f"{JVM} -Xms{settings.memory} {_archive_flag(settings, classes)}",
        "spark.driver.extraClassPath": jar_class_path(settings.cache, settings.locks),
        "spark.sql.shuffle.partitions": str(settings.cores),
    }


def _archive_flag(settings: ServerSettings, classes: Path | None) -> str:
    if settings.classes_to:
        return f'"-XX:ArchiveClassesAtExit={settings.classes_to}"'
    return f'"-XX:SharedArchiveFile={classes}"' if classes else ""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which one process at a time has."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
