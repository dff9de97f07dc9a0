"""`python -m benchmarks [NAME…] [--repeat N] [--small]`: run the benchmarks, print the ratios, write RESULTS.md."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.measure import Bench, Row, stop_engine
from benchmarks.results import FILE, machine, printed, update

NAMES = (
    "build", "rules", "refresh", "start", "launch", "loading", "tick", "blobs", "ingest", "merge", "groups", "costs",
    "growth", "as_of", "stream", "board", "databricks", "peers", "models", "scores",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all of them if none is given")
    parser.add_argument("--repeat", type=int, default=3, help="rounds that are timed, after one that isn't (default 3)")
    parser.add_argument("--small", action="store_true", help="try them out on little data; RESULTS.md is left alone")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    here = machine()
    found = _run(options.names or NAMES, options.repeat, options.small)
    if not options.small:
        update(FILE, found, here)
        print(f"\nwritten to {os.path.relpath(FILE)}")


def _run(names: list[str] | tuple[str, ...], repeat: int, small: bool) -> dict[str, list[Row]]:
    """The rows of each benchmark, printed as they come; the engine they share ends with the last."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        bench = Bench(Path(folder), repeat, small)
        try:
            for name in names:
                start = time.perf_counter()
                found[name] = import_module(f"benchmarks.measured.{name}").run(bench)
                print(printed(name, found[name], time.perf_counter() - start), flush=True)
        finally:
            stop_engine(bench.settings)
    return found


if __name__ == "__main__":
    main()
