"""Imports the domains and collects what they declare."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lakehouse_assets.engine.inputs import Files
from lakehouse_assets.engine.spec import LAYERS, Domain, Table


@dataclass(frozen=True)
class Lakehouse:
    """All that is declared: domains by name, tables by key (`domain.layer.name`), upstreams before their readers."""

    domains: Mapping[str, Domain]
    tables: Mapping[str, Table]

    def upstreams(self, table: Table) -> dict[str, str]:
        """Parameter name → key of the table it reads."""
        return {p: full_key(table, u.table) for p, u in table.upstreams.items()}

    def find(self, name: str) -> Table | None:
        """The table by its key, or by `layer.name` or `name` where only one table has it."""
        exact = self.tables.get(name)
        found = [t for k, t in self.tables.items() if k.endswith(f".{name}")]
        return exact or (found[0] if len(found) == 1 else None)

    def source_tables(self) -> list[tuple[Table, Files]]:
        """The tables fed by arriving files, with their sources."""
        return [(t, t.source) for t in self.tables.values() if t.source is not None]


@dataclass(frozen=True)
class Declared:
    """What one domain file holds: its path, and its tables by the names they have there."""

    file: Path
    tables: Mapping[str, Table]


def full_key(table: Table, name: str) -> str:
    """`layer.name` as written in a table's declaration, with the domain in front."""
    return name if name.count(".") == 2 else f"{table.domain}.{name}"


def discover(package: str) -> tuple[dict[str, Domain], list[Declared]]:
    """Import every `domains/<domain>/<layer>/<table>.py` below a package and collect domains and tables."""
    root = Path(next(iter(importlib.import_module(package).__path__)))
    domains: dict[str, Domain] = {}
    declared: list[Declared] = []
    for folder in sorted(p for p in root.iterdir() if (p / "__init__.py").is_file()):
        module = importlib.import_module(f"{package}.{folder.name}")
        domains.update((folder.name, d) for d in vars(module).values() if isinstance(d, Domain))
        declared += _declared(f"{package}.{folder.name}", folder)
    return domains, declared


def _declared(package: str, folder: Path) -> Iterator[Declared]:
    for layer in LAYERS:
        for file in sorted((folder / layer).glob("[!_]*.py")):
            module = importlib.import_module(f"{package}.{layer}.{file.stem}")
            yield Declared(file, _tables(module, file))


def _tables(module: ModuleType, file: Path) -> dict[str, Table]:
    """The tables a module declares itself; one it imports from elsewhere is not its own."""
    return {n: t for n, t in vars(module).items() if isinstance(t, Table) and t.file.resolve() == file.resolve()}
