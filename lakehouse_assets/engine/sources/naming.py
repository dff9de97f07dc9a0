"""Names of columns: from what a file calls them to what the table calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse_assets.engine.inputs import Evolution
    from lakehouse_assets.engine.spec import Column

SYSTEM = ("_rescued", "_source", "_batch", "_ingested_at")
IN_RESCUED = ("_corrupt", "_unparsed", "_raw")  # keys that we ourselves put into `_rescued`
FORBIDDEN = re.compile(r"[ ,;{}()=\x00-\x1f\x7f-\x9f]")  # what Delta doesn't allow in a name, and control characters


def quoted(name: str) -> str:
    """A name as SQL and `F.col` take it."""
    return "`" + name.replace("`", "``") + "`"


def clean_name(name: str, blank: str) -> str:
    """A name that Delta accepts and that isn't one of ours; `blank` stands in for an empty one."""
    clean = FORBIDDEN.sub("_", name.strip()) or blank
    return clean + "_" if clean.lower() in SYSTEM + IN_RESCUED else clean


def clean_header(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of a file's columns by position, all different, whatever their case.

    A blank one becomes `_c<position>`, counted from 0; the second of two equal ones gets `_2`.
    """
    names = [clean_name(cell, f"_c{i}") for i, cell in enumerate(cells)]
    taken, used = {n.lower() for n in names}, set[str]()
    for i, name in enumerate(names):
        if name.lower() in used:
            suffix = next(n for n in range(2, len(names) + 3) if f"{name}_{n}".lower() not in taken)
            names[i] = f"{name}_{suffix}"
            taken.add(names[i].lower())
        used.add(names[i].lower())
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
        have = {n.lower() for n in self.types}
        return [n for n in names if n.lower() not in have]

    def spelling(self, found: Iterable[str]) -> dict[str, str]:
        """Lower-case name → the name in the table: as it is there, or else as it is found first."""
        return {**{n.lower(): n for n in reversed(list(found))}, **{n.lower(): n for n in self.types}}


def target_of(known: Mapping[str, str], columns: Sequence[Column], evolve: Evolution) -> Target:
    """The table's columns as they stand, and then those that are declared and not there yet."""
    types = {name: kind for name, kind in known.items() if name.lower() not in SYSTEM}
    have = {n.lower() for n in types}
    declared = {c.name: c.type for c in columns if c.name.lower() not in have and c.name.lower() not in SYSTEM}
    return Target({**types, **declared}, evolve)
