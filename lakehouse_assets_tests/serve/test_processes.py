"""What the children of the server print appears in its own output as text: their lines tell of files and values."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lakehouse_assets.serve.processes import ChildDied, process_group
from lakehouse_assets_tests.engine.test_printable import unseen

PROGRAM = r"""
import sys
print("\x1b[32mINFO\x1b[0m read a\x1b]52;c;ZXZpbA==\x07\x9b2J\u202eb")
print("\tat Main.java", flush=True)
sys.stdout.buffer.write(b"caf\xe9\n")
sys.exit(3)
"""


def test_lines_of_a_child_are_copied_as_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with process_group(environment, [], scratch) as group:
        group.start("code server", [sys.executable, "-c", PROGRAM])
        with pytest.raises(ChildDied) as died:
            group.watch(until=lambda: False)
    lines = [r"INFO read a\x1b]52;c;ZXZpbA==\x07\x9b2J\u202eb", "    at Main.java", "caf�"]
    out = capfd.readouterr().out
    assert out.splitlines() == [f"code server | {line}" for line in lines]
    assert unseen(out) == {"\n"}
    assert died.value.tail == tuple(lines)
    assert unseen(str(died.value)) == {"\n"}
