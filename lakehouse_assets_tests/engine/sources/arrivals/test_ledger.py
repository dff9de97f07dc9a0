"""The ledger: every version of every file is read once, whatever stops in between and whoever else is planning."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger, Outcome
from lakehouse_assets.engine.sources.arrivals.ledger_state import SETTLED
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals, still_there, version_of
from lakehouse_assets.engine.spec.declare import files


def put(folder: Path, name: str, text: str = "a\n1\n") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def names(arrivals: list[Arrival]) -> list[str]:
    return [Path(a.path).name for a in arrivals]


def listed(folder: Path, pattern: str = "**/*.csv") -> list[Arrival]:
    return list_arrivals(files(pattern), str(folder))


def unread(ledger: Ledger, folder: Path) -> list[Arrival]:
    return list_arrivals(files("**/*.csv"), str(folder), ledger.state().settled())


def done(files: list[Arrival]) -> list[Outcome]:
    return [Outcome(f.path, "done", rows=1) for f in files]


def status(ledger: Ledger, path: str) -> list[str]:
    return [e.status for e in ledger.entries() if e.path == path]


GLOBS = [
    ("*.csv", {"a.csv"}),
    ("*", {"a.csv", "b.txt"}),
    ("**/*.csv", {"a.csv", "d/a.csv", "d/e/a.csv", "[x]/a.csv"}),
    ("**", {"a.csv", "b.txt", "d/a.csv", "d/e/a.csv", "d/e/c1.tsv", "[x]/a.csv"}),
    ("d/**/a.csv", {"d/a.csv", "d/e/a.csv"}),
    ("**/e/**/*.csv", {"d/e/a.csv"}),
    ("?/*.csv", {"d/a.csv"}),
    ("[[]x]/*.csv", {"[x]/a.csv"}),
    ("*/*/c[0-9].tsv", {"d/e/c1.tsv"}),
    ("d/e/c[!0-9].tsv", set()),
    ("none/*.csv", set()),
    ("./a.csv", {"a.csv"}),
]


@pytest.mark.parametrize(("pattern", "wanted"), GLOBS)
def test_a_glob_names_files_below_a_literal_landing_folder(tmp_path, pattern, wanted):
    landing = tmp_path / "[land]* .hidden"
    everything = [
        "a.csv",
        "b.txt",
        "d/a.csv",
        "d/e/a.csv",
        "d/e/c1.tsv",
        "[x]/a.csv",
        "_SUCCESS.csv",
        ".part.csv",
        "_tmp/a.csv",
    ]
    for name in everything:
        put(landing, name)
    assert {str(Path(a.path).relative_to(landing)) for a in listed(landing, pattern)} == wanted
    assert names(listed(tmp_path, str(landing / "a.csv").replace("[", "[[]").replace("*", "[*]"))) == ["a.csv"]


def test_a_listing_says_size_time_and_version_and_is_sorted(tmp_path):
    path = put(tmp_path, "b.csv", "12345")
    put(tmp_path, "a.csv")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    first, second = listed(tmp_path)
    assert (Path(first.path).name, second.size) == ("a.csv", 5)
    assert second.modified == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    put(tmp_path, "b.csv", "1234567")
    assert listed(tmp_path)[1].etag != second.etag


def test_a_missing_folder_has_no_files_and_a_loop_of_links_ends(tmp_path):
    assert listed(tmp_path / "none") == []
    put(tmp_path, "d/a.csv")
    (tmp_path / "d" / "loop").symlink_to(tmp_path)
    assert names(listed(tmp_path)) == ["a.csv"]


def test_a_name_that_is_not_utf8_is_listed_and_stops_nobody(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/x\xff.csv")).write_text("a\n1\n")
    put(tmp_path, "y.csv")
    found = listed(tmp_path)
    assert names(found) == ["x\\xff.csv", "y.csv"]
    assert names(Ledger(str(tmp_path / "ledger")).plan(found)[1]) == ["x\\xff.csv", "y.csv"]


@pytest.mark.parametrize("path", ["a**/x.csv", "../x.csv", ""])
def test_a_path_that_makes_no_sense_is_refused(tmp_path, path):
    with pytest.raises(SourceError):
        listed(tmp_path, path)


def test_a_store_is_listed_by_url(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("a.csv", "d/b.csv", "_x/c.csv", "d.csv/e.txt"):
        memory.pipe(f"/bucket-{tmp_path.name}/land/{name}", b"a\n1\n")
    landing = f"memory://bucket-{tmp_path.name}/land"
    found = list_arrivals(files("**/*.csv"), landing)
    assert [a.path for a in found] == [f"{landing}/a.csv", f"{landing}/d/b.csv"]
    assert still_there(found) == (found, [])
    assert list_arrivals(files("**/*.csv"), landing, {version_of(found[0])}) == found[1:]
    memory.pipe(f"/bucket-{tmp_path.name}/land/a.csv", b"a\n22\n")
    assert names(still_there(found)[1]) == ["a.csv"]


def test_a_batch_is_planned_then_marked_and_then_nothing_is_left(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    a, b, c = (put(tmp_path, n) for n in ("a.csv", "b.csv", "c.csv"))
    assert (ledger.entries(), ledger.state().open_batch()) == ([], None)
    assert names(unread(ledger, tmp_path)) == ["a.csv", "b.csv", "c.csv"]
    batch, files = ledger.plan(listed(tmp_path))
    assert (batch, names(files)) == (1, ["a.csv", "b.csv", "c.csv"])
    assert Ledger(ledger.path).state().open_batch() == (1, listed(tmp_path)) == ledger.plan([])
    assert unread(ledger, tmp_path) == []
    ledger.mark(1, [Outcome(a, "done", rows=7), Outcome(b, "failed", error="torn"), Outcome(c, "vanished")])
    assert [(e.status, e.rows, e.error) for e in ledger.entries()] == [
        ("done", 7, None),
        ("failed", None, "torn"),
        ("vanished", None, None),
    ]
    assert ledger.state().open_batch() is None
    assert names(unread(ledger, tmp_path)) == ["c.csv"]


def test_marking_again_changes_nothing_and_half_a_batch_is_refused(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    a, b = put(tmp_path, "a.csv"), put(tmp_path, "b.csv")
    batch, files = ledger.plan(listed(tmp_path))
    with pytest.raises(SourceError, match=r"b\.csv.*no outcome"):
        ledger.mark(batch, [Outcome(a, "done", rows=1)])
    with pytest.raises(SourceError, match=r"x\.csv.*isn't in it"):
        ledger.mark(batch, [*done(files), Outcome("/x.csv", "done", rows=1)])
    ledger.mark(batch, done(files))
    version = ledger.version
    ledger.mark(batch, [Outcome(a, "failed", error="late"), Outcome(b, "done", rows=1)])
    assert (ledger.version, status(ledger, a)) == (version, ["done"])


def test_a_new_version_of_a_file_is_read_again_and_a_renamed_one_is_not(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    old, new = put(tmp_path, "app.csv"), str(tmp_path / "app.1.csv")
    batch, files = ledger.plan(listed(tmp_path))
    ledger.mark(batch, done(files))
    Path(old).rename(new)
    put(tmp_path, "app.csv", "a\n2\n")  # as a rotated log: the old name has a new file
    batch, files = ledger.plan(listed(tmp_path))
    assert (batch, names(files)) == (2, ["app.csv"])
    assert status(ledger, new) == ["renamed"]
    assert unread(ledger, tmp_path) == []


def test_a_second_name_of_a_file_that_is_still_there_is_read(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    first = put(tmp_path, "a.csv")
    batch, files = ledger.plan(listed(tmp_path))
    ledger.mark(batch, done(files))
    (tmp_path / "b.csv").hardlink_to(first)
    assert names(ledger.plan(listed(tmp_path))[1]) == ["b.csv"]


def test_only_what_failed_is_retried(tmp_path):
    ledger = Ledger(str(tmp_path / "ledger"))
    a, b = put(tmp_path, "flights.csv"), put(tmp_path, "hotels.csv")
    batch, _ = ledger.plan(listed(tmp_path))
    ledger.mark(batch, [Outcome(a, "failed", error="torn"), Outcome(b, "done", rows=1)])
    assert (ledger.retry(a), ledger.retry(a)) == (1, 0)
    assert ledger.plan(listed(tmp_path))[0] == 2
    with pytest.raises(SourceError, match="done in batch 1"):
        ledger.retry(b)
    with pytest.raises(SourceError, match=r"did you mean .*hotels\.csv"):
        ledger.retry("hotels.csv")


def test_files_that_vanished_or_changed_are_told_apart(tmp_path):
    for name in ("same.csv", "gone.csv", "changed.csv"):
        put(tmp_path, name)
    files = listed(tmp_path)
    (tmp_path / "gone.csv").unlink()
    put(tmp_path, "changed.csv", "a\n1\n2\n")
    same, other = still_there(files)
    assert (names(same), names(other)) == (["same.csv"], ["changed.csv", "gone.csv"])


def test_of_many_that_plan_at_once_one_wins_and_all_get_its_batch(tmp_path):
    for i in range(5):
        put(tmp_path, f"{i}.csv")
    files = listed(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda _: Ledger(str(tmp_path / "ledger")).plan(files), range(8)))
    assert all(plan == (1, files) for plan in plans)
    assert len(Ledger(str(tmp_path / "ledger")).entries()) == 5


class Overtaken(list[Arrival]):
    """A listing during whose first reading, after the ledger's state was read, another process plans it."""

    def __init__(self, files: list[Arrival], other: Ledger) -> None:
        super().__init__(files)
        self.other, self.plans = other, list[tuple[int, list[Arrival]]]()

    def __iter__(self):
        if not self.plans:
            self.plans.append(self.other.plan(list(super().__iter__())))
        return super().__iter__()


def test_a_plan_made_between_reading_the_state_and_committing_wins(tmp_path):
    for name in ("a.csv", "b.csv", "c.csv"):
        put(tmp_path, name)
    other = Ledger(str(tmp_path / "ledger"))
    batch, files = other.plan(listed(tmp_path)[:1])
    other.mark(batch, done(files))
    overwritten = Overtaken(listed(tmp_path), other)
    assert Ledger(other.path).plan(overwritten) == overwritten.plans[0] == (2, listed(tmp_path)[1:])
    assert _events(other, "planned") == 3


PLANNER = """
import sys
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger, Outcome
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.spec.inputs import Files
folder, me = sys.argv[1:]
ledger = Ledger(folder + "/ledger")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(15):
    batch, files = ledger.plan(list_arrivals(Files("*.csv"), folder)[: 3 * (batch if _ else 0) + 3])
    ledger.mark(batch, [Outcome(f.path, "done", rows=1) for f in files])
"""


def test_two_processes_that_race_plan_each_file_once(tmp_path):
    for i in range(30):
        put(tmp_path, f"{i:02}.csv")
    command = [sys.executable, "-c", PLANNER, str(tmp_path)]
    both = [subprocess.Popen([*command, me], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for me in "ab"]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.communicate("go\n", timeout=120)
    assert [p.returncode for p in both] == [0, 0]
    entries = Ledger(str(tmp_path / "ledger")).entries()
    assert [e.status for e in entries] == ["done"] * 30
    assert _events(Ledger(str(tmp_path / "ledger")), "planned") == 30


def _events(ledger: Ledger, kind: str) -> int:
    from deltalake import DeltaTable

    return DeltaTable(ledger.path).to_pyarrow_table()["status"].to_pylist().count(kind)


def test_a_long_life_leaves_few_files_and_the_same_state(tmp_path):
    from deltalake import DeltaTable

    ledger = Ledger(str(tmp_path / "ledger"))
    for i in range(60):
        put(tmp_path, f"{i}.csv")
        batch, files = ledger.plan(listed(tmp_path))
        ledger.mark(batch, done(files))
    assert [e.status for e in ledger.entries()] == ["done"] * 60
    assert len(DeltaTable(ledger.path).file_uris()) < 30
    assert list(Path(ledger.path).glob("_delta_log/*.checkpoint*.parquet"))


KINDS = ["write", "rename", "remove", "plan", "plan unseen", "notify", "notify again", "crash", "mark", "fail", "retry"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "write",
                "rename",
                "remove",
                "plan",
                "plan unseen",
                "notify",
                "notify again",
                "crash",
                "mark",
                "fail",
                "retry",
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_happens_every_version_is_read_once(steps):
    """Each version has its own text; what is marked done is what was read, and nothing is done twice or left."""
    with tempfile.TemporaryDirectory() as place:
        folder, read, serial, told = Path(place), [], 0, list[Arrival]()
        ledger = Ledger(f"{place}/ledger")
        texts: dict[tuple[str, str], str] = {}
        for step, n in [*steps, ("finish", 0)]:
            path = folder / f"{n}.csv"
            if step == "write":
                serial += 1
                path.write_text(f"version {serial}")
                os.utime(path, ns=(0, serial * 1_000_000))
            elif step == "rename" and path.exists():
                path.rename(folder / f"{(n + 1) % 4}.csv")
            elif step == "remove":
                path.unlink(missing_ok=True)
            elif step == "plan":
                ledger.plan(listed(folder))
            elif step == "plan unseen":  # what has arrived since the listing is known by its notification alone
                ledger.plan([])
            elif step == "notify":
                told += [a for a in listed(folder) if a.path == str(path)]
                ledger.announce(told[-1:])
            elif step == "notify again":
                ledger.announce(told[n:])
            elif step == "crash":
                ledger = Ledger(f"{place}/ledger")
            elif step == "retry":
                for entry in [e for e in ledger.entries() if e.status == "failed"]:
                    ledger.retry(entry.path)
            elif step in ("mark", "fail"):
                _finish(ledger, read, texts, fail=n if step == "fail" else None)
            entries, state = ledger.entries(), ledger.state()
            assert state.settled() == {version_of(e.arrival) for e in entries if e.status in SETTLED}
            assert set(state.announced()) == {e.arrival for e in entries if e.status == "announced"}
        for entry in [e for e in ledger.entries() if e.status == "failed"]:
            ledger.retry(entry.path)
        for _ in range(2):
            _finish(ledger, read, texts)
            ledger.plan(listed(folder))
        _finish(ledger, read, texts)
        assert len(read) == len(set(read)), "a version was read twice"
        assert not ledger.state().announced(), "a notification waits for ever"
        assert {p.read_text() for p in folder.glob("*.csv")} <= set(read), "a version was lost"


def _finish(ledger: Ledger, read: list[str], texts: dict[tuple[str, str], str], fail: int | None = None) -> None:
    opened = ledger.state().open_batch()
    if opened is None:
        return
    batch, files = opened
    same, gone = still_there(files)
    failed = same[fail : fail + 1] if fail is not None else []
    read += [Path(f.path).read_text() for f in same if f not in failed]
    outcomes = [Outcome(f.path, "failed", error="torn") for f in failed]
    outcomes += done([f for f in same if f not in failed]) + [Outcome(f.path, "vanished") for f in gone]
    ledger.mark(batch, outcomes)
