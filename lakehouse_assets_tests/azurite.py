"""Azurite, Microsoft's emulator of Azure Storage, started on free loopback ports for the tests that want it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.sources.listing import Arrival
from lakehouse_assets.engine.sources.notified import CREATED
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.waiting import wait_until

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

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead to it."""
        return {
            "AZURE_STORAGE_CONNECTION_STRING": self.connection_string,
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self.blobs}",
        }

    def container(self, name: str) -> str:
        """The URL of a new container."""
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient.from_connection_string(self.connection_string) as service:
            service.create_container(name)
        return self.url(name)

    def url(self, container: str) -> str:
        return f"abfs://{container}@{ACCOUNT}.dfs.core.windows.net"


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
            wait_until(lambda: (_answers(blobs) and _answers(queues)) or process.poll() is not None, START_SECONDS, log)
            assert process.poll() is None, log.read_text()
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


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def created(file: Arrival, container: str) -> dict[str, Any]:
    """The event of a file in a container, as Event Grid has it."""
    path = file.path.partition(".net/")[2]
    return {
        "topic": "/subscriptions/x", "id": "1", "eventType": CREATED, "dataVersion": "", "metadataVersion": "1",
        "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
        "eventTime": file.modified.isoformat(),
        "data": {"api": "PutBlob", "eTag": file.etag, "contentLength": file.size, "sequencer": "01"},
    }  # fmt: skip
