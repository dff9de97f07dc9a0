"""A model by REST at 50 requests a second, beside `mlflow models serve`: the latency, and how long each takes to start.

Both serve one version of one model, are up at once, and are asked in turns by one client. Each request is sent at its
time, whether or not those before it are answered, so that waiting counts (open loop).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from benchmarks.measure import Bench, Row
from lakehouse_assets.engine.registry.store import ModelStore, open_store
from lakehouse_assets.loopback import free_port
from lakehouse_assets_tests.serve.models.shelf import NAME, Shelf, command, environment, fares

RATE = 50
THREADS = 16
BODY = json.dumps({"dataframe_records": [{"km": 2.5, "minutes": 9.0, "zone": "ring"}]}).encode()
HEADERS = {"Content-Type": "application/json"}
THEIRS = ["models", "serve", "-m", f"models:/{NAME}@champion", "--env-manager", "local", "--host", "127.0.0.1"]


def run(bench: Bench) -> list[Row]:
    folder, seconds = bench.folder / "models", bench.size(10, 2)
    folder.mkdir()
    uri = f"sqlite:///{folder}/mlflow.db"
    open_store(ModelStore(uri, uri, str(folder)))
    shelf = Shelf(folder)
    shelf.crown(shelf.register(fares(2.0)))
    sides = {"ours": command(NAME), "theirs": [sys.executable, "-m", "mlflow", *THEIRS]}
    starts = {name: list[float]() for name in sides}
    for _ in range(bench.repeat):
        for name, program in sides.items():
            with _up(shelf, program) as (_, took):
                starts[name].append(took)
    rows = [Row("models: from start to the first answer", *map(statistics.median, starts.values()), "below 1")]
    return [*rows, *_asked(shelf, sides.values(), bench.repeat, seconds)]


def _asked(shelf: Shelf, programs: Sequence[list[str]], repeat: int, seconds: int) -> list[Row]:
    """The latencies of both servers, in turns; a first round, in which they warm up, isn't counted."""
    with ExitStack() as held:
        ports = [held.enter_context(_up(shelf, program))[0] for program in programs]
        rounds = [[_latencies(port, seconds) for port in ports] for _ in range(repeat + 1)][1:]
    rows = []
    for name, share in (("p50", 0.50), ("p95", 0.95)):
        ours, theirs = (statistics.median(_quantile(one[side], share) for one in rounds) for side in (0, 1))
        seen = f"{repeat} rounds of {seconds} s in turns, all answers 200"
        rows.append(Row(f"a request, {name}, {RATE} a second", ours, theirs, "below 1", seen))
    return rows


@contextmanager
def _up(shelf: Shelf, program: list[str]) -> Iterator[tuple[int, float]]:
    """The port of a server, and the seconds from its start to its first answer to a request."""
    port, begun = free_port(), time.perf_counter()
    with (shelf.folder / "server.log").open("ab") as log:
        command = [*program, "--port", str(port)]
        process = subprocess.Popen(
            command, env=environment(shelf), stdout=log, stderr=log, cwd=shelf.folder, start_new_session=True
        )
    try:
        while not _answers(port):
            assert process.poll() is None, (shelf.folder / "server.log").read_text()
            time.sleep(0.02)
        yield port, time.perf_counter() - begun
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        return _request(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) == 200
    except OSError:
        return False


def _request(connection: http.client.HTTPConnection) -> int:
    connection.request("POST", "/invocations", BODY, HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _latencies(port: int, seconds: int) -> list[float]:
    """The seconds from when each request was due to its answer."""
    local, begun = threading.local(), time.perf_counter() + 0.1

    def ask(number: int) -> float:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        due = begun + number / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        status = _request(local.connection)
        assert status == 200, status
        return time.perf_counter() - due

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, range(RATE * seconds)))


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]
