"""`lakehouse doctor` tries what it tells of, and says what is wrong in a line each."""

from __future__ import annotations

import pytest

from lakehouse_assets_tests.cli.command import Command, Said


def lines(said: Said) -> dict[str, str]:
    """By what was looked at, the mark and what was found."""
    found: dict[str, str] = {}
    for line in said.out.splitlines():
        if line[:1] in "✓✗":
            mark, what = (
                line[0],
                next(n for n in sorted(NAMES, key=len, reverse=True) if line[1:].strip().startswith(n)),
            )
            found[what] = f"{mark} {line[1:].strip().removeprefix(what).strip()}"
    return found


NAMES = [
    "Python", "Java", "JARs", "archive of classes", "declared tables", "lake", "lake by delta-rs", "landing folder",
    "room", "Spark", "Dagster's folder", "arrivals queue", "data factory", "LAKEHOUSE_HOME", "LAKEHOUSE_DOMAINS",
    "LAKEHOUSE_SPARK_MEMORY", "LAKEHOUSE_SPARK_CORES", "LAKEHOUSE_SPARK_IDLE_MINUTES", "LAKEHOUSE_SPARK",
    "LAKEHOUSE_LANDIN", "LAKEHOUSE_FEED_URL", "LAKEHOUSE_CACHE",
]  # fmt: skip


def test_what_is_well_is_written_read_and_asked(command: Command) -> None:
    project = command.project
    project.bronze("orders")
    said = command("doctor")
    found = lines(said)
    assert said.code == 0, said
    assert all(line.startswith("✓") for line in found.values())
    assert found["lake"] == f"✓ {project.lake.root}: written, listed, read and deleted"
    assert found["Spark"].startswith("✓ the engine answers, process ")
    assert [*(project.root / "lake").iterdir(), *(project.root / "landing").iterdir()] == []


def test_what_is_wrong_is_a_line_each_and_an_exit_code(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    project = command.project
    project.table("bronze.fed", '@table(landed=http("${LAKEHOUSE_FEED_URL}/a.csv"))\ndef fed(landed): return landed\n')
    project.table("bronze.broken", "1 +\n")
    (project.root / "lake").touch()
    for name, value in {
        "LAKEHOUSE_LANDIN": "elsewhere", "LAKEHOUSE_SPARK_MEMORY": "3 gigs", "LAKEHOUSE_SPARK_CORES": "nan",
        "LAKEHOUSE_FEED_URL": "https://user:secret@example.com", "LAKEHOUSE_SPARK": "sc://127.0.0.1:1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("lakehouse_assets.resources.spark.ANSWER_SECONDS", 0.5)
    said = command("doctor")
    found = lines(said)
    assert said.code == 1
    assert "Traceback" not in said.out + said.err
    assert "secret" not in said.out
    for what, expected in {
        "LAKEHOUSE_DOMAINS": "✓ ",
        "LAKEHOUSE_LANDIN": "✗ no setting has this name; did you mean LAKEHOUSE_LANDING?",
        "LAKEHOUSE_SPARK_MEMORY": "✗ LAKEHOUSE_SPARK_MEMORY is '3 gigs'; use a number with m or g behind it, as in 3g",
        "LAKEHOUSE_SPARK_CORES": "✗ LAKEHOUSE_SPARK_CORES is 'nan'; set it to a number above zero",
        "LAKEHOUSE_FEED_URL": "✓ set",
        "declared tables": "✗ ",
        "lake": "✗ ",
        "landing folder": "✓ ",
        "Spark": "✗ Connecting to Spark at sc://127.0.0.1:1: ",
    }.items():
        assert found[what].startswith(expected), (what, said.out)
