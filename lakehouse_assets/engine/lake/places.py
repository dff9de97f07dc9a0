"""Where the tables of a lake are, on a disk or in an object store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Lake:
    """Paths of the lake: `<root>/<domain>/<layer>/<table>`, with quarantine, state and arrivals beside the layers.

    `storage` holds the options that delta-rs needs to reach an object store; empty for a disk. `downloads` says whether
    runs land what `http(…)` declares; else Data Factory does.
    """

    root: str
    landing: str
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)  # there are keys in it
    downloads: bool = True

    def table(self, key: str) -> str:
        """The Delta table of `domain.layer.name`."""
        return "/".join([self.root, *key.split(".")])

    def quarantine(self, key: str) -> str:
        """The rows that broke a `drop` expectation of the table."""
        domain, layer, name = key.split(".")
        return f"{self.root}/{domain}/quarantine/{layer}_{name}"

    def state(self, key: str) -> str:
        """What the table has to remember beyond its rows: a merge its deletions, a history its events."""
        domain, layer, name = key.split(".")
        # The folder has the name that lakes of earlier versions gave it.
        return f"{self.root}/{domain}/memory/{layer}_{name}"

    def arrivals(self, key: str) -> str:
        """The ledger of the files that the table has read or is about to."""
        domain, _, name = key.split(".")
        return f"{self.root}/{domain}/arrivals/{name}"

    def landing_folder(self, domain: str) -> str:
        """Where a domain's files arrive."""
        return f"{self.landing}/{domain}"
