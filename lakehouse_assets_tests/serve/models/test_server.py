"""A real server: who is answered, how it begins and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lakehouse_assets_tests.other_user import by_other_user, require_other_user
from lakehouse_assets_tests.serve.models.echo import Slow
from lakehouse_assets_tests.serve.models.shelf import Server, Shelf, columns, command, environment, ours
from lakehouse_assets_tests.servers.waiting import wait_until

SLOW = "shop.models.slow"
AS_OTHER = """
import http.client, sys
asked = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
asked.request("GET", "/champion")
print(asked.getresponse().status)
"""
HEAVY = """
import sys
import lakehouse_assets.definitions, lakehouse_assets.cli, lakehouse_assets.serve.models
print(sorted({"mlflow", "sklearn", "pandas"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def slow_shelf(shelf: Shelf) -> Shelf:
    shelf.crown(shelf.register(Slow(), SLOW, signature=columns(km="double")), SLOW)
    return shelf


@pytest.fixture(scope="module")
def server(slow_shelf: Shelf) -> Iterator[Server]:
    with ours(slow_shelf, "--megabytes", "0.01", "--record", str(slow_shelf.folder / "log"), name=SLOW) as it:
        yield it


def body(seconds: float) -> str:
    return json.dumps({"inputs": {"km": [seconds]}})


def test_who_asks_is_told_which_version_answered(server: Server) -> None:
    answer, told = server.ask(body(0.0), X_Request_Id="mine"), server.get("/champion").told
    assert answer.told == {"predictions": [0.0]}
    assert answer.headers["x-request-id"] == "mine"
    assert (answer.headers["x-model-version"], answer.headers["x-model-run-id"]) == ("1", told["run_id"])
    assert (told["name"], told["version"], told["refused"], told["warning"]) == (SLOW, "1", None, None)


def test_health_is_told_while_the_model_is_at_work(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, body(1.0))
        answers = 0
        while not asked.done():
            assert server.get("/health").status == 200
            answers += 1
    assert asked.result().told == {"predictions": [1.0]}
    assert answers > 10


def test_programs_of_other_users_are_not_answered(server: Server) -> None:
    require_other_user()
    assert by_other_user(AS_OTHER, str(server.port)) == "403\n"


def test_pages_of_other_sites_are_not_answered(server: Server) -> None:
    assert server.ask(body(0.0), Origin="http://evil.example").status == 403
    assert server.ask(body(0.0), Sec_Fetch_Site="cross-site").status == 403
    assert server.ask(body(0.0), Host="evil.example").status == 400
    assert server.ask(body(0.0), Origin=f"http://127.0.0.1:{server.port}").status == 200


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server: Server) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sent:
        sent.sendall(head + b"Content-Length: 10001\r\n\r\n")
        assert sent.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_who_leaves_before_the_end_of_a_body_harms_nobody(server: Server) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sent:
            sent.sendall(head + b'Content-Length: 100\r\n\r\n{"inputs"')
    assert server.ask(body(0.0)).status == 200
    assert "Traceback" not in server.log.read_text()


def test_it_ends_by_itself_once_running_requests_are_answered(slow_shelf: Shelf) -> None:
    folder = slow_shelf.folder / "ending"
    with ours(slow_shelf, "--record", str(folder), name=SLOW) as server, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(server.ask, body(0.5)) for _ in range(3)]
        wait_until(lambda: _established(server.port) >= 3, 10)
        server.process.send_signal(signal.SIGTERM)
        assert [answer.result().told for answer in asked] == [{"predictions": [0.5]}] * 3
        assert server.process.wait(timeout=30) == 0
        assert server.log.read_text().endswith("Stopped.\n")
    (file,) = folder.iterdir()
    assert len(file.read_text().splitlines()) == 3, "what was recorded is there too"


def _established(port: int) -> int:
    """How many connections to the port stand, by the kernel's table, from the server's side."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_a_port_that_is_taken_is_told_at_once(slow_shelf: Shelf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = _run(slow_shelf, SLOW, "--port", port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} (something else listens there); choose another --port" in done.stdout


def test_a_model_that_is_not_registered_is_told(slow_shelf: Shelf) -> None:
    done = _run(slow_shelf, "shop.models.slw", "--port", "0")
    assert done.returncode == 1
    assert f"No model is registered as 'shop.models.slw' in MLflow; did you mean {SLOW}?" in done.stdout


def test_a_user_who_is_not_there_is_told(slow_shelf: Shelf) -> None:
    done = _run(slow_shelf, SLOW, "--port", "0", "--trusted-user", "no-such-user")
    assert "'no-such-user' is no user of this machine" in done.stdout


def _run(shelf: Shelf, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment(shelf), capture_output=True, text=True, timeout=90, check=False
    )


def test_neither_dagster_nor_the_command_imports_mlflow() -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout == "[]\n"
