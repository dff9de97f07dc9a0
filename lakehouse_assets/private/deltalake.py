"""What is used of delta-rs' Python package beyond its public interface. Read from deltalake 1.6.6.

When the version is raised, look at `DeltaTable.__init__` in `deltalake/table.py`, which keeps the options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable


def storage_options(table: DeltaTable) -> dict[str, str] | None:
    """The options that a table was opened with, for opening another version of it: it doesn't tell them."""
    options: dict[str, str] | None = table._storage_options
    return options
