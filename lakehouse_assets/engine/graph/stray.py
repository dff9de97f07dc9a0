"""Finds files of the domains in which nothing looks for tables, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from lakehouse_assets.engine.spec.asset import LAYERS
from lakehouse_assets.engine.spec.models.model import MODELS
from lakehouse_assets.engine.spec.sinks.sink import SINKS

_WORDS = ("table", "sql_table", "features", "sql_features", "model", "score", "sink")
_FOLDERS = (*LAYERS, MODELS, SINKS)


def stray_files(root: Path, loaded: Collection[Path]) -> Iterator[tuple[Path, str]]:
    """File and problem of each Python file below the domains that isn't among the `loaded`, and is in a folder that
    isn't one of tables, or declares a table all the same.
    """
    for file in sorted(set(root.rglob("*.py")) - set(loaded)):
        inside = file.relative_to(root)
        if any(part.startswith((".", "__pycache__")) for part in inside.parts):
            continue
        line, key = _declaration(file), ".".join(inside.with_suffix("").parts)
        if line:
            yield file, f"{file}:{line}: {key}: declares a table, but {_misplaced(root, inside)}"
        elif inside.name != "__init__.py" and _in_no_kind_of_folder(root, inside):
            yield file, f"{file}:1: {key}: {_misplaced(root, inside)}, or begin the folder's name with _"


def _in_no_kind_of_folder(root: Path, inside: Path) -> bool:
    """Whether it's in a folder of a domain that has no kind of asset; of a name with `_` that's meant so."""
    domain, *folders = inside.parts[:-1] or ("",)
    meant = any(folder.startswith("_") for folder in (domain, *folders))
    is_domain = (root / domain / "__init__.py").is_file()
    return bool(folders) and is_domain and not meant and (len(folders) > 1 or folders[0] not in _FOLDERS)


def _misplaced(root: Path, inside: Path) -> str:
    folders = inside.parts[:-1]
    if len(folders) == 2 and not (root / folders[0] / "__init__.py").is_file():
        return f"its domain has no Domain; add one to {folders[0]}/__init__.py"
    if len(folders) == 2 and folders[1] in _FOLDERS:
        return "a file whose name begins with _ is not looked into; rename it"
    folder = folders[-1] if folders else root.name
    return f"folder {folder!r} is no layer; move it to DOMAIN/LAYER, where LAYER is one of {', '.join(_FOLDERS)}"


def _declaration(file: Path) -> int | None:
    """The line of the first table that a file declares as it is imported; 1 if the file can't be read as Python."""
    try:
        text = file.read_text()
        tree = ast.parse(text) if any(word in text for word in _WORDS) else None
    except SyntaxError as error:
        return error.lineno or 1
    except (OSError, ValueError):  # it can't be opened, is no text, or has null bytes
        return 1
    words = {*_WORDS, *_aliases(tree)} if tree else set()
    return next((node.lineno for node in (tree.body if tree else ()) if _declares(node, words)), None)


def _aliases(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lakehouse_assets.engine"):
            yield from (name.asname for name in node.names if name.name in _WORDS and name.asname)


def _declares(node: ast.stmt, words: Collection[str]) -> bool:
    match node:
        case ast.FunctionDef():
            calls: list[ast.expr] = node.decorator_list
        case ast.Assign(value=ast.expr() as value) | ast.AnnAssign(value=ast.expr() as value):
            calls = [value]
        case _:
            return False
    return any(isinstance(call, ast.Call) and _name(call.func) in words for call in calls)


def _name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
