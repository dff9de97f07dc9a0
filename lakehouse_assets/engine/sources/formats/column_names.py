"""Names of columns: from what a file calls them to what the table calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.columns import Column
    from lakehouse_assets.engine.spec.inputs import Evolution

SYSTEM = ("_rescued", "_source", "_batch", "_ingested_at")
IN_RESCUED = ("_corrupt", "_unparsed", "_raw")  # keys that we ourselves put into `_rescued`
# What Delta's change feed adds to a row, and what we do for as long as a row is judged (see `quality/judge.py`).
_ADDED = re.compile(r"_change_type|_commit_version|_commit_timestamp|__is_cdc|__raw|__broken_\d+")
FORBIDDEN = re.compile(r"[ ,;{}()=\x00-\x1f\x7f-\x9f]")  # what Delta doesn't allow in a name, and control characters


def quoted(name: str) -> str:
    """A name as SQL and `F.col` take it."""
    return "`" + name.replace("`", "``") + "`"


def clean_name(name: str, blank: str) -> str:
    """A name that Delta accepts and that isn't one of ours or its own; `blank` stands in for an empty one."""
    clean = FORBIDDEN.sub("_", name.strip()) or blank
    taken = folded(clean) in SYSTEM + IN_RESCUED or _ADDED.fullmatch(folded(clean))
    return clean + "_" if taken else clean


def fit(names: Sequence[str]) -> bool:
    """Whether Delta accepts the names of a struct's fields, which stay as they are."""
    return len({folded(n) for n in names}) == len(names) and all(n and not FORBIDDEN.search(n) for n in names)


def folded(name: str) -> str:
    """A name such that two are equal where Spark takes them for one: as Java's `equalsIgnoreCase` compares them.

    Beside case, that takes `ſ` for `s`, the Kelvin sign for `k`, and `İ` and `ı` for `i`.
    """
    return name.lower() if name.isascii() else "".join(map(_folded, name))


def _folded(char: str) -> str:
    upper = char.upper()
    return (upper if len(upper) == 1 else char).lower()[0]


def clean_header(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of a file's columns by position, all different, whatever their case.

    A blank one becomes `_c<position>`, counted from 0; the second of two equal ones gets `_2`.
    """
    names = [clean_name(cell, f"_c{i}") for i, cell in enumerate(cells)]
    keys = [folded(n) for n in names]
    taken, numbers = set(keys), dict[str, Iterator[int]]()
    for i, key in enumerate(keys):
        if key not in numbers:
            numbers[key] = count(2)
            continue
        suffix = next(n for n in numbers[key] if f"{key}_{n}" not in taken)
        names[i] = f"{names[i]}_{suffix}"
        taken.add(f"{key}_{suffix}")
    return tuple(names)


@dataclass(frozen=True)
class Target:
    """The columns that a reading may fill.

    `types` has the type of each column the table has or declares, by its name; a column that isn't there is new, and
    `evolve` says what becomes of it. An empty `types` is a table that takes its columns from what comes first.
    """

    types: Mapping[str, str]
    evolve: Evolution

    @property
    def open(self) -> bool:
        """Whether new columns are added."""
        return self.evolve == "add" or not self.types

    def new(self, names: Iterable[str]) -> list[str]:
        """Those of a file's columns that neither the table nor its contract has."""
        have = {folded(n) for n in self.types}
        return [n for n in names if folded(n) not in have]

    def spelling(self, found: Iterable[str]) -> dict[str, str]:
        """Folded name → the name in the table: as it is there, or else as it is found first."""
        return {**{folded(n): n for n in reversed(list(found))}, **{folded(n): n for n in self.types}}


def target_of(known: Mapping[str, str], columns: Sequence[Column], evolve: Evolution) -> Target:
    """The table's columns as they stand, and then those that are declared and not there yet."""
    types = {name: kind for name, kind in known.items() if name.lower() not in SYSTEM}
    have = {folded(n) for n in types}
    declared = {c.name: c.type for c in columns if folded(c.name) not in have and c.name.lower() not in SYSTEM}
    return Target({**types, **declared}, evolve)
