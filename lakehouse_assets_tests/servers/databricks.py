"""The workspace of `databricks_workspace.py` as a test has it: started, told what goes wrong, and asked what it saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import requests

from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.servers.databricks_runs import TOKEN
from lakehouse_assets_tests.servers.waiting import wait_until

SCOPE = "shop"  # of secrets


@dataclass(frozen=True)
class Databricks:
    """A workspace that listens at `address`; what is under `folder` are its volumes, of which a test has its own.

    Where there is the URL of a `container`, messages are in it.
    """

    address: str
    folder: Path
    name: str = "volume"
    container: str = ""

    @property
    def volume(self) -> str:
        """The folder for messages."""
        return f"{self.container or self.folder}/{self.name}"

    def install(self, root: Path, package: str) -> None:
        """Let the clusters have a package that is in a folder."""
        (self.folder / "site").mkdir(exist_ok=True)
        (self.folder / "site" / package).symlink_to(root / package)

    def put(self, path: str, text: str) -> None:
        """Put a notebook of Python (with `.py` behind its path) or a file of SQL into the workspace."""
        place = Path(f"{self.folder}/workspace{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    @property
    def wheel(self) -> str:
        """Where the wheel of this checkout is."""
        (wheel,) = (self.folder / "volume").glob("*.whl")
        return str(wheel)

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABRICKS_HOST": self.address, "DATABRICKS_TOKEN": TOKEN}

    def keep_secret(self, name: str, value: str) -> None:
        """Put a secret into the scope."""
        file = self.folder / "secrets.json"
        kept = json.loads(file.read_text())[SCOPE] if file.exists() else {}
        file.write_text(json.dumps({SCOPE: {**kept, name: value}}))

    def fail(self, *faults: dict[str, Any]) -> None:
        """What goes wrong from now on: at calls whose method and path have the text `at`, `times` times."""
        told = [{"times": 1, **fault} for fault in faults]
        requests.post(f"{self.address}/test/faults", json=told, timeout=10).raise_for_status()

    def have(self, *jobs: dict[str, Any]) -> None:
        """The jobs that others own from now on, each with its `job_id`, `name` and `runs`."""
        requests.post(f"{self.address}/test/others", json=jobs, timeout=10).raise_for_status()

    def cancel_newest(self) -> None:
        """Cancel the newest run, as someone does in the workspace's own pages."""
        requests.post(f"{self.address}/test/cancel", timeout=10).raise_for_status()

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.address}/test/seen", timeout=10).json()
        return found

    @property
    def left(self) -> dict[str, str]:
        """The files of jobs that are there, and what is in them."""
        store, folder = fsspec.core.url_to_fs(f"{self.volume}/runs")
        store.invalidate_cache()
        return {path: store.cat_file(path).decode() for path in store.find(folder)}


# What the wheel is made of.
PARTS = ("lakehouse_assets", "dbfs_jobs", "lakehouse_assets_tests", "benchmarks", "pyproject.toml", "setup.cfg")


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built from a copy, so that nothing is left in it; tests and benchmarks are in the
    copy too, as they have to stay out of the wheel.
    """
    copy, ignored = folder / "checkout", shutil.ignore_patterns("__pycache__", ".*")
    copy.mkdir(parents=True)
    for part in (PROJECT / name for name in PARTS):
        if part.is_dir():
            shutil.copytree(part, copy / part.name, ignore=ignored)
        else:
            shutil.copy(part, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, str(copy)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@contextmanager
def running(folder: Path, spark: str) -> Iterator[Databricks]:
    """A workspace whose jobs compute on the Spark at an `sc://` address."""
    (folder / "volume").mkdir(parents=True)
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lakehouse_assets_tests.servers.databricks_workspace", str(folder)],
            env={**os.environ, "SPARK_REMOTE": spark}, cwd=PROJECT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until(lambda: (folder / "address").exists() or process.poll() is not None, 30, log)
        yield Databricks((folder / "address").read_text(), folder)
    finally:
        process.terminate()
        process.wait(timeout=10)
