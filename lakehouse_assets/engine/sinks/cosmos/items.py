"""Rows as items: the id that a key has, the value of its partition, and values as Cosmos DB keeps them.

An item has what Cosmos DB adds, what a row has, and three properties of ours: `_v` (the version of the table), `_table`
(its id) and `_run` (the number of the run that wrote it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lakehouse_assets.engine.sinks.values import as_json
from lakehouse_assets.engine.spec.sinks.sink import COSMOS_OWN, Cosmos

ID_BYTES = 1023
# Of an item as JSON, of which Cosmos DB takes 2 MB.
ITEM_BYTES = 2 * 1024 * 1024
# Up to here a double, which numbers are there, has each whole number.
_EXACT = 2**53 - 1
# Those that Cosmos DB takes in no id, those that others read as escapes, and the one that escapes.
_ESCAPED = re.compile(r"[/\\?#%~]")


def item_id(values: list[Any]) -> str:
    """The id of the item of a key: its values as a JSON array, where `~2F` stands for `/`; a digest if that's long."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    escaped = _ESCAPED.sub(lambda found: f"~{ord(found[0]):02X}", text)
    return escaped if len(escaped.encode()) <= ID_BYTES else f"~{sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Items:
    """How rows are items of a container."""

    store: Cosmos

    @property
    def by(self) -> str:
        """The property by whose values items are in partitions."""
        return self.store.partition.removeprefix("/")

    def of_key(self, key: Mapping[str, Any]) -> str:
        """Which item a key has, as JSON: its id, and the value of its partition if that is another property."""
        told = [value(it) for it in key.values()]
        mine = [item_id(told)] + ([] if self.by == "id" else [value(key[self.by])])
        return json.dumps(mine, ensure_ascii=False)

    def of_item(self, item: Mapping[str, Any]) -> str:
        """The same of an item that is there."""
        mine = [item["id"]] + ([] if self.by == "id" or self.by not in item else [value(item[self.by])])
        return json.dumps(mine, ensure_ascii=False)

    def bare(self, which: str) -> dict[str, Any]:
        """An item with nothing but what says which it is."""
        return dict(zip(("id", self.by), json.loads(which), strict=False))


def row_text(row: Mapping[str, Any]) -> str:
    """A row as JSON, as its item has it. The column `id` is the property `_id`, as the item has an id of its own."""
    told = {"_id" if name == "id" else name: value(it) for name, it in row.items()}
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def item_text(item: Mapping[str, Any]) -> str:
    """The row that an item has, as JSON, with whatever a person has added to it."""
    told = {name: _kept(it, float) for name, it in item.items() if name == "ttl" or name not in {"id", *COSMOS_OWN}}
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def value(told: Any) -> Any:
    """A value as Cosmos DB gives it back. A whole number that a double hasn't is a text."""
    return _kept(as_json(told), str)


def _kept(told: Any, beyond: Callable[[int], Any]) -> Any:
    """A value with its numbers as JavaScript has them, and what's made of those that a double hasn't."""
    match told:
        case int() if not isinstance(told, bool) and abs(told) > _EXACT:
            return beyond(told)
        case float() if told.is_integer() and abs(told) <= _EXACT:
            return int(told)
        case dict():
            return {name: _kept(it, beyond) for name, it in told.items()}
        case list():
            return [_kept(it, beyond) for it in told]
        case _:
            return told
