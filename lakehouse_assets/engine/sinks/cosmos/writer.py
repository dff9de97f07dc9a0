"""Puts rows into a container, some at a time, each under a condition on what's there.

An item that a later run wrote is left, and ends the run. A row that goes is written too: its item stays for a day with
`_deleted`, so an older run finds that in the place of the row that it would put back, and Cosmos DB removes it by its
time to live. Nothing simpler would do: a container has no transaction over partitions, an item that is gone has no
ETag, and a lease says nothing to a request that is on its way.

What is there may be told from a replica that is behind. So nothing is left out for that; a condition fails, and it's
looked at anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.sinks.cosmos.connection import put_if, refused
from lakehouse_assets.engine.sinks.cosmos.items import ITEM_BYTES, Items
from lakehouse_assets.engine.sinks.cosmos.progress import Turn

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy

THREADS = 8
# Of one query for what is there.
ITEMS = 100
ATTEMPTS = 5
# How long it's told that an item was taken out; no request is on its way for so long.
DELETED_SECONDS = 86_400
_Row = tuple[str, str | None]


@dataclass
class Writer:
    """What puts rows of a version of a table there; how many rows came or changed (False), and went (True)."""

    rows: ContainerProxy
    turn: Turn
    version: int
    table_id: str
    counts: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    @property
    def items(self) -> Items:
        return Items(self.turn.store)

    def write(self, rows: Iterator[_Row]) -> None:
        """Put rows there, and take out those that are None.

        Raises:
            Superseded: another run has begun since.
            SinkError: an item isn't taken; it says which, and why.
        """
        with ThreadPoolExecutor(THREADS) as pool:
            while some := list(islice(rows, ITEMS)):
                there = self._there([which for which, _ in some])
                list(pool.map(self._one, some, [there.get(which) for which, _ in some]))
                for _, text in some:
                    self.counts[text is None] += 1

    def _there(self, some: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """What is there of some items: which run wrote them, and whether they were taken out."""
        told = [{"name": f"@i{n}", "value": json.loads(which)[0]} for n, which in enumerate(some)]
        by = "" if self.items.by == "id" else f", c[{json.dumps(self.items.by)}]"
        listed = ", ".join(it["name"] for it in told)
        asked = f"SELECT c.id, c._etag, c._run, c._deleted{by} FROM c WHERE c.id IN ({listed})"
        found = self.rows.query_items(asked, parameters=told, enable_cross_partition_query=True)
        return {self.items.of_item(item): item for item in found}

    def _one(self, row: _Row, there: Mapping[str, Any] | None) -> None:
        from azure.core.exceptions import AzureError
        from azure.cosmos.exceptions import (
            CosmosAccessConditionFailedError,
            CosmosResourceExistsError,
            CosmosResourceNotFoundError,
        )

        which, text = row
        for _ in range(ATTEMPTS):
            if there and there.get("_run", 0) > self.turn.number:
                raise self.turn.superseded()
            try:
                return self._put(self._item(which, text), there)
            except (CosmosAccessConditionFailedError, CosmosResourceExistsError, CosmosResourceNotFoundError):
                there = self._there([which]).get(which)  # as somebody has just changed it
            except AzureError as error:
                raise refused(self.turn.store, error, f"the item {which}") from error
        raise SinkError(f"Writing the item {which} to {self.turn.store.target!r} in Cosmos DB: others keep changing it")

    def _put(self, item: dict[str, Any], there: Mapping[str, Any] | None) -> None:
        self.turn.confirm()
        put_if(self.rows, item, there["_etag"] if there else None)

    def _item(self, which: str, text: str | None) -> dict[str, Any]:
        gone = {"_deleted": True, "ttl": DELETED_SECONDS}
        told = gone if text is None else json.loads(text)
        if text is not None and len(text.encode()) > ITEM_BYTES:
            raise SinkError(
                f"Writing the item {which} to {self.turn.store.target!r} in Cosmos DB: it has {len(text.encode()):,} "
                f"bytes, and an item takes {ITEM_BYTES:,}; leave a column out by columns=[…]"
            )
        own = {"_v": self.version, "_table": self.table_id, "_run": self.turn.number}
        return {**self.items.bare(which), **told, **own}
