"""RESULTS.md: a table that is written by the benchmarks, and below it what people wrote about the figures."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Row

FILE = Path(__file__).with_name("RESULTS.md")
HEAD = """# What it costs

Written by `make bench` (`python -m benchmarks`). Each line is measured in one run, in turns with what it is compared
to, on one warm engine; seconds are medians. A line keeps its place until its benchmark is run again.

| benchmark | what | ours, s | against, s | ratio | aim | seen | when, and the machine |
|---|---|---|---|---|---|---|---|
"""
BY_HAND = "## What moved a figure"


def machine() -> str:
    """When and on what: cores, and the load of the last minute before the run."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def printed(name: str, rows: Sequence[Row], seconds: float) -> str:
    lines = [f"{name} ({seconds:.0f} s)"]
    for row in rows:
        lines += [f"  {row.what}: {row.ours:.2f} s against {row.against:.2f} s, ratio {row.ratio:.2f} ({row.aim})"]
        lines += [f"    {row.seen}"] if row.seen else []
    return "\n".join(lines)


def update(file: Path, found: Mapping[str, Sequence[Row]], here: str) -> None:
    """Put the lines of these benchmarks in the place of their old ones; what people wrote stays."""
    old = file.read_text() if file.exists() else ""
    measured = (line for line in old.splitlines() if re.match(r"\| (?!benchmark)\w+ \| ", line))
    lines = [line for line in measured if line.split(" ", 2)[1] not in found]
    lines += [_line(name, row, here) for name, rows in found.items() for row in rows]
    _, heading, written = old.partition(BY_HAND)
    file.write_text(HEAD + "\n".join(sorted(lines, key=_place)) + f"\n\n{BY_HAND}" + (written if heading else "\n"))


def _line(name: str, row: Row, here: str) -> str:
    numbers = f"{row.ours:.3g} | {row.against:.3g} | {row.ratio:.2f}"
    return f"| {name} | {row.what} | {numbers} | {row.aim} | {row.seen} | {here} |"


def _place(line: str) -> int:
    from benchmarks.__main__ import NAMES

    return NAMES.index(line.split(" ", 2)[1])
