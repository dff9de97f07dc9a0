"""Imports the domains and collects what they declare."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from lakehouse_assets.engine.graph.faults import Fault, attempt
from lakehouse_assets.engine.graph.stray import stray_files
from lakehouse_assets.engine.spec.asset import LAYERS, Domain
from lakehouse_assets.engine.spec.inputs import Files, Topic
from lakehouse_assets.engine.spec.models.model import MODELS, Model
from lakehouse_assets.engine.spec.sinks.sink import SINKS, Sink
from lakehouse_assets.engine.spec.table import Table

# What a file of a domain declares.
Asset = Table | Model | Sink


@dataclass(frozen=True)
class Lakehouse:
    """All that is declared: domains by name; tables, models and sinks by key (`domain.layer.name`), upstreams before
    readers.

    `order` has the keys of all of them together, in that order. `problems` are those found in the declarations;
    `left_out` has the assets that aren't there for them, each with its reason, and what reads these.
    """

    domains: Mapping[str, Domain]
    tables: Mapping[str, Table]
    problems: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    sinks: Mapping[str, Sink] = field(default_factory=dict)

    def upstreams(self, asset: Asset) -> dict[str, str]:
        """Parameter name → key of the table it reads."""
        return {p: full_key(asset, u.table) for p, u in asset.upstreams.items()}

    def reads(self, key: str) -> list[str]:
        """The keys of all that an asset is made from: tables, and the model of a table of scores."""
        asset = self.assets[key]
        beside = asset.score.reads if isinstance(asset, Table) and asset.score else ()
        return list(dict.fromkeys((*self.upstreams(asset).values(), *beside)))

    @property
    def assets(self) -> dict[str, Asset]:
        """Tables, models and sinks by key, upstreams before their readers."""
        all_of_them: dict[str, Asset] = {**self.tables, **self.models, **self.sinks}
        return {key: all_of_them[key] for key in self.order} if self.order else all_of_them

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
    def worked_on(self) -> set[str]:
        """The keys of all that runs of ours have something to do to: such tables, models and sinks."""
        return {*self.runnable, *self.models, *self.sinks}

    @property
    def elsewhere(self) -> dict[str, str]:
        """By key, the path or URL of each table that others make at a place of its own."""
        return {key: t.external.at for key, t in self.tables.items() if t.external and t.external.at}

    def downstream(self, starts: Collection[str], among: Collection[str]) -> list[str]:
        """The keys of some assets and of those among others that are made from them, upstreams first."""
        reached = {*starts}
        for key in self.assets:  # each comes after those it reads
            if key in among and reached & {*self.reads(key)}:
                reached.add(key)
        return [key for key in self.assets if key in reached]

    def source_tables(self) -> list[tuple[Table, Files]]:
        """The tables fed by arriving files, with their sources."""
        return [(t, t.source) for t in self.tables.values() if t.source is not None]

    def topic_tables(self) -> list[tuple[Table, Topic]]:
        """The tables fed by messages, with their topics."""
        return [(t, t.topic) for t in self.tables.values() if t.topic is not None]

    def channels(self) -> list[str]:
        """The channels that alerts and domains name."""
        alerts = [alert.to for table in self.tables.values() for alert in table.alerts]
        return sorted({*alerts, *(domain.notify for domain in self.domains.values() if domain.notify)})


@dataclass(frozen=True)
class Declared:
    """What one domain file holds: its tables, models or sinks by the names they have there, or the problem for which
    it has none.

    `key` is that of the asset that its path stands for.
    """

    file: Path
    key: str
    assets: Mapping[str, Asset] = field(default_factory=dict)
    problem: str = ""

    @property
    def keys(self) -> list[str]:
        """The tables that aren't there if something is wrong with the file."""
        return [asset.key for asset in self.assets.values()] or [self.key]


def full_key(asset: Asset, name: str) -> str:
    """`layer.name` as written in a declaration, with the domain in front."""
    return name if name.count(".") == 2 else f"{asset.domain}.{name}"


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
    files = [file for layer in (*LAYERS, MODELS, SINKS) for file in sorted((folder / layer).glob("[!_]*.py"))]
    if isinstance(domain, Fault) and not files:
        yield Declared(folder / "__init__.py", folder.name, problem=domain.text)
    for file in files:
        key = _key(file, root)
        module = domain if isinstance(domain, Fault) else _imported(f"{package}.{key}", key, file, root)
        if isinstance(module, Fault):
            yield Declared(file, key, problem=module.text)
        else:
            yield Declared(file, key, _assets(module, file))


def _imported(module: str, key: str, file: Path, root: Path) -> ModuleType | Fault:
    return attempt(lambda: importlib.import_module(module), key, f"{file}:1", root)


def _key(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts)


def _assets(module: ModuleType, file: Path) -> dict[str, Asset]:
    """What a module declares itself; what it imports from elsewhere is not its own."""
    return {n: a for n, a in vars(module).items() if isinstance(a, Asset) and a.file.resolve() == file.resolve()}
