"""Azurite, Microsoft's emulator of Azure Storage, started on free loopback ports for the tests that want it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse_assets.settings import read_settings

# The account and the key are the emulator's own, the same for everyone, and published.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60


@dataclass(frozen=True)
class Azurite:
    """A running emulator, by the ports of its services."""

    blobs: int
    queues: int

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blobs}/{ACCOUNT};"
            f"QueueEndpoint=http://127.0.0.1:{self.queues}/{ACCOUNT};"
        )

    def container(self, name: str) -> str:
        """The URL of a new container."""
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient.from_connection_string(self.connection_string) as service:
            service.create_container(name)
        return f"abfs://{name}@{ACCOUNT}.dfs.core.windows.net"


def program() -> list[str]:
    """The command that starts Azurite; a test that wants it is skipped where there is none, and fails in CI."""
    folder = read_settings().cache / "azurite" / "node_modules" / "azurite"
    script = folder / "dist" / "src" / "azurite.js"
    if found := shutil.which("azurite"):
        return [found]
    if script.is_file() and (node := shutil.which("node")):
        return [node, str(script)]
    message = f"Azurite isn't installed: npm install --prefix {folder.parents[1]} azurite@3.35.0"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running(folder: Path) -> Iterator[Azurite]:
    """An emulator that keeps all in memory, until the end of the block."""
    blobs, queues, tables = _free_ports(3)
    command = [
        *program(), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
        "--blobPort", str(blobs), "--queuePort", str(queues), "--tablePort", str(tables),
    ]  # fmt: skip
    log = folder / "azurite.log"
    with log.open("wb") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process:
        try:
            _wait_for(blobs, process, log)
            _wait_for(queues, process, log)
            yield Azurite(blobs, queues)
        finally:
            process.terminate()


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for it in sockets:
        it.bind(("127.0.0.1", 0))
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)  # between two looks, not in the place of one
        else:
            return
    pytest.fail(f"Azurite didn't start:\n{log.read_text()}")
