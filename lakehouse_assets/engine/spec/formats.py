"""The formats of files, each with the options that it has and no others."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

FormatName = Literal["csv", "jsonl", "json", "parquet", "avro", "orc"]


@dataclass(frozen=True)
class Csv:
    """Delimited text: a record a line, or over several where cells have line breaks (`multiline`).

    `nulls` are the cells that stand for a missing value. With `infer_types` the first batch decides which columns are
    numbers, dates and booleans; else all are text.
    """

    encoding: str = "UTF-8"
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    multiline: bool = False
    nulls: tuple[str, ...] = ("",)
    infer_types: bool = False
    name: Literal["csv"] = "csv"


@dataclass(frozen=True)
class JsonLines:
    """A JSON object on each line."""

    encoding: str = "UTF-8"
    name: Literal["jsonl"] = "jsonl"


@dataclass(frozen=True)
class Json:
    """A JSON document: an object, or an array of objects."""

    encoding: str = "UTF-8"
    name: Literal["json"] = "json"


@dataclass(frozen=True)
class Parquet:
    """Apache Parquet, whose footer has the schema."""

    name: Literal["parquet"] = "parquet"


@dataclass(frozen=True)
class Avro:
    """Apache Avro's object container files, whose header has the schema."""

    name: Literal["avro"] = "avro"


@dataclass(frozen=True)
class Orc:
    """Apache ORC, whose footer has the schema."""

    name: Literal["orc"] = "orc"


TextFormat = Csv | JsonLines | Json
Format = TextFormat | Parquet | Avro | Orc
_KINDS: dict[str, type[Format]] = {
    "csv": Csv, "jsonl": JsonLines, "json": Json, "parquet": Parquet, "avro": Avro, "orc": Orc,
}  # fmt: skip


def format_of(name: str, options: dict[str, Any]) -> Format:
    """The format of a name, with its options; which it takes out of `options`.

    Raises:
        TypeError: there is no such format.
    """
    if name not in _KINDS:
        raise TypeError(f"format={name!r} is none; there are {', '.join(_KINDS)}")
    own = {field.name for field in fields(_KINDS[name])} - {"name"}
    return _KINDS[name](**{option: options.pop(option) for option in own & set(options)})


def options_of(name: str) -> list[str]:
    """The options that a format has."""
    return [field.name for field in fields(_KINDS[name]) if field.name != "name"]
