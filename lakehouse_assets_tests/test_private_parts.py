"""Private parts of other libraries are used in `lakehouse_assets/private/` alone, which says what version it's from."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_assets.settings import PROJECT

ROOMS = PROJECT / "lakehouse_assets" / "private"
# Undocumented, though nothing in their names says so.
UNDOCUMENTED = ("pyspark.sql.connect", "pyspark.errors.exceptions", "dagster_webserver", "fsspec.asyn")
NAMES = {"service_client", "getStackTrace", "set_retry_policies"}
# Extends sqlglot's parser and generator; `pyproject.toml` holds that to the versions it was read from.
ROOM_OF_SQLGLOT = PROJECT / "lakehouse_assets" / "engine" / "query" / "sql_text.py"
# Of Python itself: the module in which a table is declared.
ALLOWED = {("lakehouse_assets/engine/spec/declare.py", "._getframe")}


def sources() -> dict[str, ast.Module]:
    paths = [path for folder in ("lakehouse_assets", "dbfs_jobs") for path in (PROJECT / folder).rglob("*.py")]
    others = [path for path in paths if ROOMS not in path.parents and path != ROOM_OF_SQLGLOT]
    return {str(path.relative_to(PROJECT)): ast.parse(path.read_text()) for path in others}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def own_names(trees: Iterator[ast.Module]) -> set[str]:
    """The private names that classes of these sources define themselves."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def private_parts(tree: ast.Module, own: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f for alias in node.names if (f := f"{node.module}.{alias.name}") and is_foreign(f))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_foreign(alias.name))
        elif isinstance(node, ast.Attribute) and (node.attr in NAMES or is_private(node.attr)):
            of_itself = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not (of_itself and node.attr in own):
                yield f".{node.attr}"
        elif isinstance(node, ast.Constant) and (node.value in NAMES or names_a_part(node.value)):
            yield str(node.value)


def names_a_part(value: object) -> bool:
    """Whether a text is the path of a private module, as programs and patches are given it."""
    dotted = isinstance(value, str) and re.fullmatch(r"(dagster|pyspark|deltalake|fsspec)\w*\.[\w.]+", value)
    return bool(dotted) and is_foreign(str(value))


def is_foreign(path: str) -> bool:
    """Whether a dotted name is a private part of a library."""
    library, *parts = path.split(".")
    if library in ("lakehouse_assets", "dbfs_jobs", "__future__"):
        return False
    return f"{path}.".startswith(tuple(f"{u}." for u in UNDOCUMENTED)) or any(is_private(part) for part in parts)


def test_no_other_module_uses_private_parts_of_a_library() -> None:
    trees = sources()
    own = own_names(iter(trees.values()))
    found = {(path, part) for path, tree in trees.items() for part in private_parts(tree, own)}
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("from dagster._core.execution.api import execute_run", "dagster._core.execution.api.execute_run"),
        ("import dagster._daemon", "dagster._daemon"),
        ("def later():\n    from deltalake import _internal", "deltalake._internal"),
        ("from pyspark.sql.connect.session import SparkSession", "pyspark.sql.connect.session.SparkSession"),
        ("from fsspec.asyn import sync", "fsspec.asyn.sync"),
        ("table._storage_options", "._storage_options"),
        ("class A(B):\n    def c(self):\n        return self._of_b()", "._of_b"),
        ("store.service_client", ".service_client"),
        ("getattr(error, 'getStackTrace', str)", "getStackTrace"),
        ("run('-m', 'dagster._daemon')", "dagster._daemon"),
    ],
)
def test_a_private_part_is_found_however_it_is_used(source: str, part: str) -> None:
    assert list(private_parts(ast.parse(source), set())) == [part]


@pytest.mark.parametrize(
    "source",
    [
        "import dagster as dg\ndg.Definitions()",
        "from pyspark.sql import functions as F\nF.col('_source')",
        "from lakehouse_assets.engine.modes.work import _few",
        "class A:\n    def b(self):\n        return self._c\n    def _c(self): ...",
        "type(error).__name__",
    ],
)
def test_what_is_public_or_our_own_is_let_be(source: str) -> None:
    tree = ast.parse(source)
    assert list(private_parts(tree, own_names(iter([tree])))) == []


# By the module of a library, the packages whose versions it was read from.
READ_FROM = {
    "adlfs": ["adlfs", "fsspec", "azure-core"],
    "dagster": ["Dagster"],
    "dagster_webserver": ["dagster-webserver"],
    "deltalake": ["deltalake"],
    "mlflow_server": ["mlflow"],
    "pyspark": ["PySpark"],
}


def test_each_module_was_read_from_the_version_that_is_locked() -> None:
    """When this fails, look at what the module's docstring says, and then write the new version there."""
    locked = dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", (PROJECT / "requirements.lock").read_text(), re.M))
    assert {path.stem for path in ROOMS.glob("*.py")} == {"__init__", *READ_FROM}
    for name, packages in READ_FROM.items():
        told = ast.get_docstring(ast.parse((ROOMS / f"{name}.py").read_text())) or ""
        assert "When " in told, name
        for package in packages:
            assert f"{package} {locked[package.lower()]}" in told, name


def test_the_rooms_load_no_library_before_it_is_needed() -> None:
    light = [f"lakehouse_assets.private.{name}" for name in READ_FROM if name != "dagster_webserver"]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {', '.join(light)}; print(*sys.modules)"],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    heavy = {"dagster", "dagster_webserver", "pyspark", "deltalake", "fsspec", "adlfs", "azure", "grpc", "mlflow"}
    assert not loaded & heavy


def test_the_scan_looks_at_the_sources() -> None:
    assert len(sources()) > 200
    assert not [path for path in sources() if not Path(PROJECT, path).is_file()]
