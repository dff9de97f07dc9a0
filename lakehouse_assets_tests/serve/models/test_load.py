"""Fifty requests a second, malformed ones among them, while the champion is swapped: no 5xx, no wrong answer."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lakehouse_assets_tests.serve.models.shelf import NAME, TRIPS, Answer, Server, empty_store, fares, ours

RATE, SECONDS = 50, 5
BAD = [
    b"{",
    b'{"inputs": [NaN]}',
    b'{"dataframe_records": [{"km": "far", "minutes": 1, "zone": "ring"}]}',
    b'{"dataframe_records": [{"km": 1}]}',
    b'{"dataframe_split": {"columns": ["km"], "data": [[1, 2]]}}',
    b"\xff\xfe",
    b"[" * 5000,
]


def bodies() -> list[bytes]:
    """A fifth of them malformed."""
    good = [
        {"dataframe_records": TRIPS.iloc[[n % len(TRIPS)]].to_dict(orient="records")} for n in range(RATE * SECONDS)
    ]
    return [BAD[n % len(BAD)] if n % 5 == 4 else json.dumps(body).encode() for n, body in enumerate(good)]


def load(server: Server) -> list[Answer]:
    """The answers to all bodies, each sent at its time whether or not those before it are answered."""
    begun = time.monotonic()

    def ask(numbered: tuple[int, bytes]) -> Answer:
        threading.Event().wait(max(0.0, begun + numbered[0] / RATE - time.monotonic()))  # the load's own clock
        return server.ask(numbered[1])

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(ask, enumerate(bodies())))


def test_every_request_is_answered_rightly_while_the_champion_changes(empty_mlflow: Path, tmp_path: Path) -> None:
    shelf = empty_store(tmp_path, empty_mlflow)
    for factor in (2.0, 7.0, 11.0):
        shelf.register(fares(factor))
    expected = {}
    for version in ("3", "2", "1"):  # at the end the first is the champion
        shelf.crown(version)
        champion = shelf.champion()
        expected[version] = [champion.predict(TRIPS.iloc[[n]], None).tolist()[0] for n in range(len(TRIPS))]
    log = tmp_path / "log"
    with ours(shelf, "--record", str(log)) as server, ThreadPoolExecutor(1) as pool:
        answers = pool.submit(load, server)
        swaps = 0
        while not answers.done():
            crowned = ("2", "3", "1")[swaps % 3]
            shelf.crown(crowned)
            while not answers.done() and server.get("/champion").told["version"] != crowned:
                threading.Event().wait(0.05)
            swaps += 1
        assert swaps >= 4
        for number, answer in enumerate(answers.result()):
            if number % 5 == 4:
                assert (answer.status, answer.told["error_code"]) == (400, "BAD_REQUEST"), answer
            else:
                version = answer.headers["x-model-version"]
                assert answer.status == 200, answer
                assert answer.told == {"predictions": [expected[version][number % len(TRIPS)]]}
        server.process.terminate()
        assert server.process.wait(timeout=30) == 0
    good = [a.headers for n, a in enumerate(answers.result()) if n % 5 != 4]
    assert len({headers["x-model-version"] for headers in good}) == 3
    rows = [json.loads(line) for path in log.glob("[!_]*") for line in path.read_text().splitlines()]
    assert Counter(row["request_id"] for row in rows) == Counter(headers["x-request-id"] for headers in good)
    assert all(row["score"] in expected[row["version"]] for row in rows)
    assert {row["model"] for row in rows} == {NAME}
