"""Imports the domains and collects what they declare."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from lakehouse_assets.engine.graph.faults import Fault, attempt
from lakehouse_assets.engine.graph.stray import stray_files
from lakehouse_assets.engine.spec.asset import LAYERS, Domain
from lakehouse_assets.engine.spec.inputs import Files
from lakehouse_assets.engine.spec.table import Table


@dataclass(frozen=True)
class Lakehouse:
    """All that is declared: domains by name, tables by key (`domain.layer.name`), upstreams before their readers.

    `problems` are those found in the declarations; `left_out` has the tables that aren't there for them, each with its
    reason, and what reads these.
    """

    domains: Mapping[str, Domain]
    tables: Mapping[str, Table]
    problems: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def upstreams(self, table: Table) -> dict[str, str]:
        """Parameter name → key of the table it reads."""
        return {p: full_key(table, u.table) for p, u in table.upstreams.items()}

    def find(self, name: str) -> Table | None:
        """The table by its key, or by `layer.name` or `name` where only one table has it."""
        exact = self.tables.get(name)
        found = [t for k, t in self.tables.items() if k.endswith(f".{name}")]
        return exact or (found[0] if len(found) == 1 else None)

    @property
    def runnable(self) -> dict[str, Table]:
        """The tables, by key, that runs make; others are made by jobs that aren't ours."""
        return {key: table for key, table in self.tables.items() if table.external is None}

    @property
    def elsewhere(self) -> dict[str, str]:
        """By key, the path or URL of each table that others make at a place of its own."""
        return {key: t.external.at for key, t in self.tables.items() if t.external and t.external.at}

    def source_tables(self) -> list[tuple[Table, Files]]:
        """The tables fed by arriving files, with their sources."""
        return [(t, t.source) for t in self.tables.values() if t.source is not None]


@dataclass(frozen=True)
class Declared:
    """What one domain file holds: its tables by the names they have there, or the problem for which it has none.

    `key` is that of the table that its path stands for.
    """

    file: Path
    key: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    problem: str = ""

    @property
    def keys(self) -> list[str]:
        """The tables that aren't there if something is wrong with the file."""
        return [t.key for t in self.tables.values()] or [self.key]


def full_key(table: Table, name: str) -> str:
    """`layer.name` as written in a table's declaration, with the domain in front."""
    return name if name.count(".") == 2 else f"{table.domain}.{name}"


def discover(package: str) -> tuple[dict[str, Domain], list[Declared]]:
    """Import every `domains/<domain>/<layer>/<table>.py` below a package and collect domains and tables."""
    spec = find_spec(package)
    root = Path(next(iter((spec and spec.submodule_search_locations) or [package])))
    domains: dict[str, Domain] = {}
    declared: list[Declared] = []
    for folder in sorted(p for p in root.iterdir() if (p / "__init__.py").is_file()):
        module = _imported(f"{package}.{folder.name}", folder.name, folder / "__init__.py", root)
        if isinstance(module, ModuleType):
            domains.update((folder.name, d) for d in vars(module).values() if isinstance(d, Domain))
        declared += _declared(package, root, folder, module)
    strays = stray_files(root, [d.file for d in declared])
    return domains, declared + [Declared(file, _key(file, root), problem=why) for file, why in strays]


def _declared(package: str, root: Path, folder: Path, domain: ModuleType | Fault) -> Iterator[Declared]:
    files = [file for layer in LAYERS for file in sorted((folder / layer).glob("[!_]*.py"))]
    if isinstance(domain, Fault) and not files:
        yield Declared(folder / "__init__.py", folder.name, problem=domain.text)
    for file in files:
        key = _key(file, root)
        module = domain if isinstance(domain, Fault) else _imported(f"{package}.{key}", key, file, root)
        if isinstance(module, Fault):
            yield Declared(file, key, problem=module.text)
        else:
            yield Declared(file, key, _tables(module, file))


def _imported(module: str, key: str, file: Path, root: Path) -> ModuleType | Fault:
    return attempt(lambda: importlib.import_module(module), key, f"{file}:1", root)


def _key(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts)


def _tables(module: ModuleType, file: Path) -> dict[str, Table]:
    """The tables a module declares itself; one it imports from elsewhere is not its own."""
    return {n: t for n, t in vars(module).items() if isinstance(t, Table) and t.file.resolve() == file.resolve()}
