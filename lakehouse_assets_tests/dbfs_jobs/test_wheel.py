"""The wheel that clusters install: what is in it, what it asks for, and that it runs with no more than that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.servers.databricks import Databricks

# What a Databricks runtime has of its own, and our wheel must not bring along.
OF_RUNTIME = {"pyspark", "delta-spark", "grpcio", "grpcio-status", "googleapis-common-protos", "protobuf"}
PROGRAM = "lakehouse-run-asset"
PROGRAMS = (PROGRAM, "lakehouse-maintain", "lakehouse-doctor")


@pytest.fixture
def python(workspace: Databricks, tmp_path: Path) -> Path:
    """A Python with the wheel, what it asks for, and what a runtime has; and nothing else that is here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, workspace.wheel], check=True)
    for name in {*closure(requirements(workspace)), *closure(["pyspark[connect]"])}:
        with suppress(PackageNotFoundError):  # what is for another system
            found = distribution(name)
            for top in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."} - {"__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(Path(str(found.locate_file(top))))
    return tmp_path / "venv" / "bin" / "python"


def names(workspace: Databricks) -> list[str]:
    with ZipFile(workspace.wheel) as wheel:
        return wheel.namelist()


def test_it_has_the_package_and_the_programs_and_nothing_else(workspace: Databricks) -> None:
    found = names(workspace)
    assert {name.partition("/")[0] for name in found} == {
        "lakehouse_assets", "dbfs_jobs", next(n for n in found if n.endswith("/METADATA")).partition("/")[0],
    }  # fmt: skip
    of_package = {Path(name).suffix or Path(name).name for name in found if ".dist-info/" not in name}
    assert of_package == {".py", ".sql", ".lock", ".typed"}
    assert Path(workspace.wheel).stat().st_size < 1_000_000


def requirements(workspace: Databricks) -> list[str]:
    with ZipFile(workspace.wheel) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        text = wheel.read(metadata).decode()
    return re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE)


def closure(asked: list[str]) -> Iterator[str]:
    """The distributions that are asked for, with those that they ask for in turn, by their names in small letters."""
    seen, waiting = set[str](), [(Requirement(text), {""}) for text in asked]
    while waiting:
        one, extras = waiting.pop()
        name = one.name.lower().replace("_", "-")
        wanted = one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        if name in seen or not wanted:
            continue
        seen.add(name)
        yield name
        with suppress(PackageNotFoundError):  # what is for another system
            waiting += [(Requirement(text), one.extras | {""}) for text in distribution(name).requires or []]


def test_it_leaves_the_runtimes_spark_and_dagster_alone(workspace: Databricks) -> None:
    asked = {*closure(requirements(workspace))}
    assert {"deltalake", "dagster-pipes", "pydantic", "adlfs", "azure-identity", "azure-storage-blob"} <= asked
    assert not asked & (OF_RUNTIME | {"dagster", "databricks-sdk", "py4j"})


def run(python: Path, spark: str, *arguments: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    start = f"from importlib.metadata import entry_points as e; e(name='{program}')['{program}'].load()()"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"SPARK_REMOTE": spark}
    return subprocess.run(
        [python, "-c", start, *arguments],
        env=env, cwd=python.parent, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def test_its_programs_tell_of_themselves_where_nothing_else_is_installed(python: Path) -> None:
    for program in PROGRAMS:
        done = run(python, "", "--help", program=program)
        assert done.returncode == 0, done.stderr
        assert "--landing" in done.stdout
    bare = subprocess.run([python, "-c", "import dagster"], capture_output=True, check=False)
    assert bare.returncode == 1
    azure = "import fsspec; assert fsspec.get_filesystem_class('abfss').__module__ == 'adlfs.spec'"
    subprocess.run([python, "-c", azure], check=True)  # without which no job lists a landing folder


def test_tables_are_built_where_nothing_else_is_installed(python: Path, engine: SparkResource, tmp_path: Path) -> None:
    folder = tmp_path / "landing/airlines/carriers"
    folder.mkdir(parents=True)
    (folder / "carriers.csv").write_text("carrier,name\nUA,United\nDL,Delta\n")
    spark = spark_server.attach(engine.server_settings).url.replace("127.0.0.1", "localhost")
    places = ("--lake", str(tmp_path / "lake"), "--landing", str(tmp_path / "landing"))
    done = run(python, spark, "airlines.bronze.carriers", "airlines.silver.carriers", *places)
    assert done.returncode == 0, done.stderr
    assert [line.startswith('{"table":') for line in done.stdout.splitlines()] == [True, True]
    done = run(python, spark, "airlines.bronze.carriers", *places, program="lakehouse-maintain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"table":"airlines.bronze.carriers","parts":[{"name":"rows","files_before":')
    done = run(python, spark, *places, program="lakehouse-doctor")
    assert (done.returncode, {line[0] for line in done.stdout.splitlines()}) == (0, {"✓"}), done
