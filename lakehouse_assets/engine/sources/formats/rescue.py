"""Fit what a group of files has to the table's columns; a value that doesn't fit goes to `_rescued` as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.delta_rs import type_name
from lakehouse_assets.engine.sources.formats.column_names import Target, folded, quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_DAY = r"^\s*[+-]?\d{4,7}(-\d{1,2}){0,2}"
_NANOS = r"[.]\d{6}\d*[1-9]"
_ZONE = r":\d\d([.]\d*)?\s*(?![zZ]\s*$)([A-Za-z]|[+-]\d)"
NESTED = ("struct", "array", "map")
DAYS = ("date", "timestamp", "timestamp_ntz")
LAST_YEAR = 262_141  # chrono, by which delta-rs counts days, goes one year further


@dataclass(frozen=True)
class Group:
    """Files that were read together: `df` has their rows, and `_source`.

    `columns` maps the table's name of a column to its expression in `df` and its type there. `rescued` are texts that
    belong in `_rescued` under their name where they aren't null; `extras` is the same as an array of (key, value)
    structs, for keys that are known only row by row, none of them a column's name.
    """

    df: DataFrame
    columns: Mapping[str, tuple[Column, str]]
    rescued: Sequence[tuple[str, Column]] = ()
    extras: Column | None = None


def conform(group: Group, target: Target) -> DataFrame:
    """The group's rows in the table's names and types, with `_rescued` (JSON, or null) and `_source`.

    A column that isn't among the target's is rescued whole; one that the group doesn't have is null.
    """
    from pyspark.sql import functions as F

    rescued = list(group.rescued)
    selected: list[Column] = []
    kept = {folded(n) for n in target.types}
    for name, (value, kind) in group.columns.items():
        if folded(name) not in kept:
            rescued.append((name, as_text(value, kind)))
            continue
        fitted, lost = _fit(value, kind, target.types[name])
        selected.append(fitted.alias(name))
        rescued += [(name, lost)] if lost is not None else []
    missing = {n: k for n, k in target.types.items() if n not in group.columns}
    selected += [F.lit(None).cast(kind).alias(name) for name, kind in missing.items()]
    return group.df.select(*selected, _rescue(rescued, group.extras).alias("_rescued"), F.col("_source"))


def as_text(value: Column, kind: str) -> Column:
    """A value as text that says all of it: JSON if it's nested, base64 if it's binary."""
    from pyspark.sql import functions as F

    if kind.startswith(NESTED):
        return F.to_json(value)
    return F.base64(value) if kind == "binary" else value.cast("string")


def _fit(value: Column, kind: str, wanted: str) -> tuple[Column, Column | None]:
    """A value in the type that's wanted, null if it doesn't survive that; and the text of one that doesn't."""
    from pyspark.sql import functions as F

    if kind == wanted and kind not in DAYS:
        return value, None
    text = as_text(value, kind)
    if kind == wanted:
        holds = is_bounded(value)
        return F.when(holds, value), F.when(~holds, text)
    if wanted == "string":
        return text, None
    fitted = _cast(value, text, kind, wanted)
    plain = kind == "string" and not wanted.startswith(NESTED)
    survives = given_back(text, fitted, wanted) if plain else _same(value, text, fitted, kind, wanted)
    survives = survives & is_bounded(fitted) if wanted in DAYS else survives
    return F.when(survives, fitted), F.when(value.isNotNull() & ~F.coalesce(survives, F.lit(False)), text)


def is_bounded(value: Column) -> Column:
    """Whether a date or timestamp is one that delta-rs can hold; it panics over others in a file's statistics."""
    from pyspark.sql import functions as F

    return F.abs(F.year(value)) <= LAST_YEAR


def given_back(text: Column, fitted: Column, kind: str) -> Column:
    """Whether a value says all that the text does which it was cast from; null where it couldn't be cast.

    Spark rounds what a float or decimal can't hold, cuts a time at the microsecond and off a date, makes of an hour
    without a day one of today, and forgets the zone where a type has none.
    """
    from pyspark.sql import functions as F

    match kind.partition("(")[0]:
        case "float" | "double":
            few, least = (6, 1e-37) if kind == "float" else (15, 1e-300)
            short = (F.length(text) <= few) & ~text.rlike("[dDfF]") & ((F.abs(fitted) >= least) | (_digits(text) == ""))
            return (short & (F.abs(fitted) < float("inf"))) | (_digits(text) == _digits(fitted.cast("string")))
        case "decimal":
            return _digits(text) == _digits(fitted.cast("string"))
        case "date":
            return fitted.isNotNull() & text.rlike(rf"{_DAY}([T ]0?0:00(:00([.]0*)?)?)?\s*$")
        case "timestamp":
            return fitted.isNotNull() & text.rlike(_DAY) & ~text.rlike(_NANOS)
        case "timestamp_ntz":
            return fitted.isNotNull() & text.rlike(_DAY) & ~text.rlike(_NANOS) & ~text.rlike(_ZONE)
    return fitted.isNotNull()


def _digits(text: Column) -> Column:
    """The digits of a number that aren't zeros before or after it; a name of infinity as it is, in one spelling."""
    from pyspark.sql import functions as F

    plain = F.regexp_replace(F.lower(F.trim(text)), r"^[+-]?[0.]*|e[+-]?\d+$|\.", "")
    return F.regexp_replace(F.rtrim(plain, F.lit("0")), "^inf$", "infinity")


def _cast(value: Column, text: Column, kind: str, wanted: str) -> Column:
    from pyspark.sql import functions as F

    if wanted.startswith(NESTED):
        return F.from_json(text, wanted, {"mode": "PERMISSIVE"})
    return value.try_cast(wanted) if _numeric(kind, wanted) else text.try_cast(wanted)


def _same(value: Column, text: Column, fitted: Column, kind: str, wanted: str) -> Column:
    """Whether nothing was lost: a number is equal when cast back, anything else has the same text."""
    if _numeric(kind, wanted):
        return fitted.try_cast(kind).eqNullSafe(value)
    return as_text(fitted, wanted).eqNullSafe(text)


def _numeric(*kinds: str) -> bool:
    return all(k.partition("(")[0] in NUMBERS for k in kinds)


def _rescue(pairs: Sequence[tuple[str, Column]], extras: Column | None) -> Column:
    from pyspark.sql import functions as F

    parts: list[Column] = []
    if pairs:
        structs = [F.struct(F.lit(name).alias("key"), text.alias("value")) for name, text in pairs]
        found = F.filter(F.array(*structs), lambda p: p["value"].isNotNull())
        # Nearly every row has nothing to rescue: a test for null is all it pays.
        parts.append(F.when(F.coalesce(*[text for _, text in pairs]).isNotNull(), found))
    parts += [extras] if extras is not None else []
    if not parts:
        return F.lit(None).cast("string")
    none = F.array().cast("array<struct<key:string,value:string>>")
    both = parts[0] if len(parts) == 1 else F.concat(*[F.coalesce(p, none) for p in parts])
    return F.when(F.size(both) > 0, F.to_json(F.map_from_entries(both)))


def source_path(df: DataFrame) -> Column:
    """The path of the file each row of a freshly read `df` came from, as it is in `Arrival.path`.

    `_metadata.file_path` is a URI: percent-encoded, a plus left as it is, `file://` before a local path.
    """
    from pyspark.sql import functions as F

    encoded = df.metadataColumn("_metadata")["file_path"]
    decoded = F.url_decode(F.replace(encoded, F.lit("+"), F.lit("%2B")))
    return F.regexp_replace(decoded, "^file:/+", "/").alias("_source")


def simple_type(kind: DataType) -> str:
    """A type as the table's log says it."""
    return type_name(kind.jsonValue())


def column(name: str) -> Column:
    """The column of exactly this name, dots and all."""
    from pyspark.sql import functions as F

    return F.col(quoted(name))
