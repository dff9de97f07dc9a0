"""A disk that is full or read-only is told with its cause in one line, by the run and by the doctor."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_assets_tests.cli.command import Command


@pytest.fixture(params=["full", "read-only"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A small disk, and why nothing can be written to it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:  # it takes root, as CI has
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        absent(f"a disk can't be mounted here: {mounted.stderr}")
    try:
        if request.param == "full":
            with pytest.raises(OSError, match="No space left"):
                (folder / "filling").write_bytes(bytes(2**20 + 1))
            yield folder, "No space left on device"
        else:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            yield folder, "Read-only file system"
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("what", ["the lake", "Dagster's folder"])
def test_a_disk_that_cannot_be_written_to_is_one_line(
    command: Command, disk: tuple[Path, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cause = disk
    command.project.bronze("orders")
    command.project.land("orders/1.csv", "id\n1\n")
    monkeypatch.setenv("LAKEHOUSE_LANDING", command.project.lake.landing)
    monkeypatch.setenv("LAKEHOUSE_LAKE" if what == "the lake" else "DAGSTER_HOME", str(folder))
    said = command("run")
    assert (said.code, said.err) == (1, "")
    last = said.out.splitlines()[-1]
    assert last.startswith(f"Error Writing to {what}, {folder}: {cause}; make room")
    if what == "the lake":
        told = command("doctor")
        assert told.code == 1
        assert any(line.startswith("✗  lake ") and cause in line for line in told.out.splitlines()), told.out
