"""Where the tables of a lake are: on a disk or in an object store, and in a catalog if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.spec.modes import History, Merge
from lakehouse_assets.engine.spec.table import Table


@dataclass(frozen=True)
class TableRef:
    """Where a Delta table is: its path or URL and, if a catalog has it, its name there (`catalog.schema.table`).

    `storage` holds the options that delta-rs needs to reach the path; empty for a disk.
    """

    path: str
    name: str = ""
    storage: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)  # there are keys in it


@dataclass(frozen=True)
class Lake:
    """Paths of the lake: `<root>/<domain>/<layer>/<table>`, and beside the layers what is kept with tables.

    `storage` holds the options that delta-rs needs to reach an object store; empty for a disk. `downloads` says whether
    runs land what `http(…)` declares; else Data Factory does. `catalog` is the one that has the tables by name, as
    `<catalog>.<domain>_<layer>.<table>`; none where it's empty. `elsewhere` has the tables, by their keys, that others
    make and that are at places of their own. `online` is the URL of the store of the latest features, and `models` is
    where models are kept, if there are any.
    """

    root: str
    landing: str
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)  # there are keys in it
    downloads: bool = True
    catalog: str = ""
    elsewhere: Mapping[str, TableRef] = field(default_factory=dict)
    models: ModelStore | None = None
    online: str = field(default="", repr=False)  # there may be a password in it

    @property
    def registry(self) -> ModelStore:
        """Where models are kept.

        Raises:
            SettingsError: nobody said where.
        """
        if self.models is None:
            raise SettingsError("Looking for models: this process isn't told of an MLflow; set LAKEHOUSE_MLFLOW")
        return self.models

    def table(self, key: str) -> TableRef:
        """The Delta table of `domain.layer.name`."""
        if key in self.elsewhere:
            return self.elsewhere[key]
        domain, layer, name = key.split(".")
        return self._ref(f"{domain}/{layer}/{name}", f"{domain}_{layer}.{name}")

    def quarantine(self, key: str) -> TableRef:
        """The rows that broke a `drop` expectation of the table."""
        domain, layer, name = key.split(".")
        return self._ref(f"{domain}/quarantine/{layer}_{name}", f"{domain}_quarantine.{layer}_{name}")

    def state(self, key: str) -> TableRef:
        """What belongs to the table beyond its rows: of a merge its deletions, of a history its events."""
        domain, layer, name = key.split(".")
        # The folder has the name that lakes of earlier versions gave it.
        return self._ref(f"{domain}/memory/{layer}_{name}", f"{domain}_state.{layer}_{name}")

    def alerts(self, key: str) -> TableRef:
        """The episodes of the table's alerts, and what was told of them."""
        domain, layer, name = key.split(".")
        return self._ref(f"{domain}/alerts/{layer}_{name}", f"{domain}_alerts.{layer}_{name}")

    def notices(self, domain: str) -> TableRef:
        """The same of a domain: its failed runs, failed checks and stale tables."""
        return self._ref(f"{domain}/alerts/domain", f"{domain}_alerts.domain")

    def schemas(self, table: Table) -> list[str]:
        """The schemas of the catalog that a table needs: its own, and those of what is kept beside it."""
        places = [self.table(table.key)]
        places += [self.quarantine(table.key)] if table.has_quarantine else []
        places += [self.state(table.key)] if isinstance(table.write, Merge | History) else []
        places += [self.alerts(table.key)] if table.alerts else []
        return [place.name.rpartition(".")[0] for place in places]

    def _ref(self, path: str, name: str) -> TableRef:
        return TableRef(f"{self.root}/{path}", f"{self.catalog}.{name}" if self.catalog else "", self.storage)

    def arrivals(self, key: str) -> str:
        """The ledger of the files that the table has read or is about to."""
        domain, _, name = key.split(".")
        return f"{self.root}/{domain}/arrivals/{name}"

    @property
    def scratch(self) -> str:
        """Where an engine that can't keep rows in its memory has those of the runs that are under way."""
        return f"{self.root}/_scratch"

    def landing_folder(self, domain: str) -> str:
        """Where a domain's files arrive."""
        return f"{self.landing}/{domain}"
