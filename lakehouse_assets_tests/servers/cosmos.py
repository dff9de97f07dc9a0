"""An emulator of Cosmos DB (`@vercel/cosmosdb-server`), started on a loopback port for the tests that want it.

It has conditions on ETags, queries, and conflicts of ids. It has no keys, no throttling, no limit of an item's size, no
time to live, and no other replicas, whose answers may be behind. Its client checks no certificate on this address.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse_assets.loopback import free_port
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.servers.waiting import wait_until

KEY = b64encode(b"a key of the tests").decode()
START_SECONDS = 60
SERVER = Path(__file__).with_name("cosmos_server.js")


@dataclass(frozen=True)
class Account:
    """A running emulator, by its port."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    @property
    def connection_string(self) -> str:
        return f"AccountEndpoint={self.endpoint};AccountKey={KEY};"

    def fail(self, status: int, times: int, path: str = "") -> None:
        """Refuse so often what has this in its path."""
        self._ask("fail", json.dumps({"status": status, "times": times, "path": path}).encode())

    def answers(self) -> bool:
        with suppress(OSError):
            self._ask("")
            return True
        return False

    def _ask(self, path: str, body: bytes | None = None) -> None:
        unchecked = ssl._create_unverified_context()  # noqa: S323  (its certificate is its own)
        urllib.request.urlopen(self.endpoint + path, body, timeout=5, context=unchecked).close()  # noqa: S310  (it's ours)


def program() -> list[str]:
    """The command that starts it; a test that wants it is skipped where there is none, and fails in CI."""
    package = read_settings().cache / "azurite" / "node_modules" / "@vercel" / "cosmosdb-server"
    if package.is_dir() and (node := shutil.which("node")):
        return [node, str(SERVER), str(package)]
    message = "The emulator of Cosmos DB isn't installed: make azurite"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Account]:
    """An emulator that keeps all in memory, until the end of the block."""
    made = Account(port or free_port())
    log = folder / "cosmos.log"
    with log.open("wb") as out, subprocess.Popen([*program(), str(made.port)], stdout=out, stderr=out) as process:
        try:
            wait_until(lambda: made.answers() or process.poll() is not None, START_SECONDS, log)
            assert process.poll() is None, log.read_text()
            yield made
        finally:
            process.terminate()
