"""PostgreSQL, started for the tests that want it on a loopback address of its own, where it asks for a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lakehouse_assets_tests.servers.waiting import wait_until

PORT = 5432
USER = "lakehouse"
START_SECONDS = 60


@dataclass(frozen=True)
class Postgres:
    """A running server, by its address, and the password of its one user."""

    host: str
    password: str

    def database(self, name: str) -> str:
        """A new database of that name, by its address with user and password."""
        with closing(self._connected("postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://{USER}:{self.password}@{self.host}:{PORT}/{name}"

    def answers(self) -> bool:
        with suppress(psycopg2.OperationalError), closing(self._connected("postgres")):
            return True
        return False

    def _connected(self, name: str) -> Any:
        told = {"user": USER, "password": self.password, "dbname": name, "connect_timeout": 5}
        return psycopg2.connect(host=self.host, port=PORT, **told)


def programs() -> Path:
    """The folder of the server's programs; a test that wants it is skipped where there is none, and fails in CI."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parts[-3])).parent
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    message = "PostgreSQL isn't installed (Debian: apt-get install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server with no data but what is put there until the end of the block."""
    at, made = programs(), Postgres(_own_address(), secrets.token_hex())
    # Not below pytest's folder, which is closed to the user that root has the server run as.
    with tempfile.TemporaryDirectory(prefix="lakehouse-postgres-") as name:
        folder, as_user = Path(name), _as_user()
        (folder / "password").write_text(made.password)
        for path in (folder, folder / "password"):
            shutil.chown(path, as_user.get("user"), as_user.get("group"))
        init = [at / "initdb", "--pgdata=data", f"--username={USER}", "--pwfile=password", "--auth=scram-sha-256"]
        init += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run(init, cwd=folder, check=True, capture_output=True, timeout=START_SECONDS, **as_user)
        (folder / "password").unlink()
        told = {"listen_addresses": made.host, "port": PORT, "unix_socket_directories": "", "fsync": "off"}
        start = [at / "postgres", "-D", "data", *(word for it in told.items() for word in ("-c", "{}={}".format(*it)))]
        with (folder / "log").open("w") as out:
            process = subprocess.Popen(start, cwd=folder, stdout=out, stderr=out, **as_user)
        try:
            wait_until(lambda: made.answers() or process.poll() is not None, START_SECONDS, folder / "log")
            assert process.poll() is None, (folder / "log").read_text()
            yield made
        finally:
            process.send_signal(signal.SIGINT)  # by which it ends at once, whoever is connected
            process.wait(timeout=START_SECONDS)


def _as_user() -> dict[str, Any]:
    """How a process is started: PostgreSQL refuses to run as root, and has a user of its own."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _own_address() -> str:
    """A loopback address that no other process takes: the port is as dagster.yaml says, and others have one there."""
    high, low = divmod(os.getpid(), 2**16)
    return f"127.{high + 1}.{low // 2**8}.{low % 2**8}"
