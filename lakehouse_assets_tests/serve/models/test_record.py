"""The prediction log: each scored row stands in it once, whatever happens to the disk or the process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from lakehouse_assets.serve.models.input.given import Given
from lakehouse_assets.serve.models.record import Recorder
from lakehouse_assets.serve.models.registry import Version
from lakehouse_assets.serve.models.score import Scored
from lakehouse_assets_tests.servers.waiting import wait_until

OF = Version("shop.models.fare", "3", "abc", 0)
AT = 1_735_689_599.25


def scored(*km: float, predictions: object = None) -> Scored:
    said = [value * 2 for value in km] if predictions is None else predictions
    return Scored(b"", OF, Given(None, None, {"km": list(km), "zone": ["ring"] * len(km)}), said, AT)


def rows(folder: Path) -> list[dict[str, object]]:
    """What an ingest reads: files whose names don't begin with `_`."""
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith("_")]
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_line_a_row_says_what_was_asked_and_answered(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.put("r1", scored(1.5, 2.0))
    recorder.put("r2", scored(3.0, predictions=[{"label": "far"}]))
    recorder.close()
    told = {"model": OF.name, "version": "3", "run_id": "abc", "scored_at": "2024-12-31T23:59:59.250+00:00"}
    assert rows(tmp_path) == [
        {"request_id": "r1", **told, "row": 0, "inputs": {"km": 1.5, "zone": "ring"}, "score": 3.0},
        {"request_id": "r1", **told, "row": 1, "inputs": {"km": 2.0, "zone": "ring"}, "score": 4.0},
        {"request_id": "r2", **told, "row": 0, "inputs": {"km": 3.0, "zone": "ring"}, "score": {"label": "far"}},
    ]
    assert oct(next(tmp_path.iterdir()).stat().st_mode & 0o777) == "0o600", "requests are of people"


def test_an_input_without_columns_is_one_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.put("r1", Scored(b"", OF, Given(None, None, None, [[1, 2], [3, 4]]), [3.0, 7.0], AT))
    recorder.close()
    (row,) = rows(tmp_path)
    assert (row["inputs"], row["score"]) == ([[1, 2], [3, 4]], [3.0, 7.0])


def test_a_file_has_a_thousand_rows_at_most_and_all_rows_are_there_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for number in range(70):
        recorder.put(f"r{number}", scored(*map(float, range(50))))
    recorder.close()
    sizes = [len(path.read_text().splitlines()) for path in sorted(tmp_path.iterdir())]
    assert sizes == [1000, 1000, 1000, 500]
    assert Counter((row["request_id"], row["row"]) for row in rows(tmp_path)) == Counter(
        (f"r{number}", row) for number in range(70) for row in range(50)
    )
    assert (recorder.counts.written, recorder.counts.dropped) == (3500, 0)


def test_a_file_is_complete_after_its_time_though_nobody_asks(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, seconds=0.1)
    recorder.put("r1", scored(1.0))
    wait_until(lambda: len(rows(tmp_path)) == 1, 10)
    recorder.close()
    assert len(rows(tmp_path)) == 1


def test_a_disk_that_takes_no_more_costs_rows_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel takes the first bytes of a write and refuses the others, as it does on a full disk."""
    recorder, (limit, most) = Recorder(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder.put("before", scored(1.0))
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()), 10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (next(tmp_path.iterdir()).stat().st_size + 50, most))
    try:
        recorder.put("during", scored(2.0, 3.0))
        wait_until(lambda: recorder.counts.dropped == 2, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    recorder.put("after", scored(4.0))
    recorder.close()
    assert [row["request_id"] for row in rows(tmp_path)] == ["before", "after"]
    assert "lacks rows from now on" in caplog.text
    assert (recorder.counts.written, recorder.counts.dropped) == (2, 2)


def test_rows_beyond_what_may_wait_are_dropped_and_counted(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, waiting=5)
    recorder.put("long", scored(*map(float, range(6))))
    recorder.put("short", scored(1.0))
    recorder.close()
    assert recorder.counts.dropped == 6
    assert [row["request_id"] for row in rows(tmp_path)] == ["short"]


def test_what_a_killed_process_left_is_completed_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        child = gone.pid
    (tmp_path / f"_20240101T000000-{child}-000001.jsonl").write_text('{"request_id": "a"}\n{"request')
    (tmp_path / f"_20240101T000000-{child}-000002.jsonl").write_text('{"requ')
    (tmp_path / f"_20240101T000000-{os.getppid()}-000001.jsonl").write_text('{"request_id": "of another"}\n')
    Recorder(tmp_path).close()
    assert rows(tmp_path) == [{"request_id": "a"}]
    assert len(list(tmp_path.glob("_*"))) == 1
