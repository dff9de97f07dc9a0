"""Azurite, Microsoft's emulator of Azure Storage, started on free loopback ports for the tests that want it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lakehouse_assets.engine.sources.arrivals.blob_events import CREATED
from lakehouse_assets.engine.sources.arrivals.listing import Arrival
from lakehouse_assets.loopback import free_port
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.servers.waiting import wait_until

# The account and the key are the emulator's own, the same for everyone, and published.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60
BY_NAME = Path(__file__).with_name("azurite_by_name.js")
CONNECTIONS = 3  # with more, Azurite, which has one thread, does no more


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

    def put(self, container: str, names: Sequence[str], text: bytes) -> list[Arrival]:
        """Many blobs with the same text, in the container at a URL; by bare requests: the SDK takes twice as long."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        until, may = datetime.now(UTC) + timedelta(hours=1), ContainerSasPermissions(write=True)
        name = container.partition("//")[2].partition("@")[0]
        sas = generate_container_sas(ACCOUNT, name, KEY, permission=may, expiry=until)

        def some(part: Sequence[str]) -> list[Arrival]:
            with closing(HTTPConnection("127.0.0.1", self.blobs)) as connection:
                return [_put(connection, f"{ACCOUNT}/{name}", blob, sas, text) for blob in part]

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            parts = pool.map(some, [names[n::CONNECTIONS] for n in range(CONNECTIONS)])
            return [replace(made, path=f"{container}/{made.path}") for part in parts for made in part]


def _put(connection: HTTPConnection, container: str, name: str, sas: str, text: bytes) -> Arrival:
    connection.request("PUT", f"/{container}/{quote(name)}?{sas}", text, {"x-ms-blob-type": "BlockBlob"})
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()
    etag, at = answer.headers["ETag"].strip('"'), parsedate_to_datetime(answer.headers["Last-Modified"])
    return Arrival(name, etag, len(text), at)


def program() -> list[str]:
    """The command that starts Azurite; a test that wants it is skipped where there is none, and fails in CI."""
    folder = read_settings().cache / "azurite" / "node_modules" / "azurite"
    script = folder / "dist" / "src" / "azurite.js"
    if found := shutil.which("azurite"):
        return [found]
    if script.is_file() and (node := shutil.which("node")):
        return [node, str(script)]
    message = "Azurite isn't installed: make azurite"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Azurite]:
    """An emulator that keeps all in memory, until the end of the block."""
    blobs, queues, tables = free_port(), free_port(), free_port()
    command = [
        *program(), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
        "--blobPort", str(blobs), "--queuePort", str(queues), "--tablePort", str(tables), *options,
    ]  # fmt: skip
    log, env = folder / "azurite.log", {**os.environ, "NODE_OPTIONS": f'--require "{BY_NAME}"'}
    with log.open("wb") as out, subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env=env) as process:
        try:
            wait_until(lambda: (_answers(blobs) and _answers(queues)) or process.poll() is not None, START_SECONDS, log)
            assert process.poll() is None, log.read_text()
            yield Azurite(blobs, queues)
        finally:
            process.terminate()


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
