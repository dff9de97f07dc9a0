"""The columns of a table's contract."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table's contract.

    `type` is a Spark SQL type (`"string"`, `"decimal(10,2)"`). A `key` column identifies a row, is never null,
    and the key as a whole is checked to be unique. A row with a null where `nullable` is false is quarantined.
    """

    name: str
    type: str
    key: bool = False
    nullable: bool = True
    doc: str = ""

    @property
    def required(self) -> bool:
        return self.key or not self.nullable
