"""JSON: one object a line, or whole documents. Every key is a column, every value text; a nested one stays JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.sources.formats.column_names import IN_RESCUED, clean_name, folded
from lakehouse_assets.engine.sources.formats.delimited import decoded
from lakehouse_assets.engine.sources.formats.open_version import allow_encoding, load
from lakehouse_assets.engine.sources.formats.rescue import Group, source_path
from lakehouse_assets.engine.spec.cdc.exact_json import is_inexact, parsed
from lakehouse_assets.engine.spec.encodings import is_wide, java_encoding, python_encoding
from lakehouse_assets.engine.spec.formats import Json, JsonLines

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from lakehouse_assets.engine.sources.arrivals.listing import Arrival

BLANK = "_blank"  # the column of the empty key


def read_objects(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival]) -> DataFrame:
    """A row an object: `text`, `_source`, and the arrays `keys` and `vals`, null where the text isn't an object."""
    from pyspark.sql import functions as F

    allow_encoding(spark, kind.encoding)
    texts = _lines(spark, kind, files) if isinstance(kind, JsonLines) else _elements(spark, kind, files)
    objects = parsed(texts, "parsed", F.col("text"), "map<string,string>")
    return objects.select("text", "_source", F.map_keys("parsed").alias("keys"), F.map_values("parsed").alias("vals"))


def keys_of(objects: DataFrame) -> tuple[list[str], bool]:
    """The keys in the files, in the order in which they stand in the objects, and whether some text is no object.

    It takes a job over the files.
    """
    from pyspark.sql import functions as F

    # Objects have few different lists of keys: it's those that are taken apart, not the rows. Those that are null are
    # not filtered out: Spark would do that first, and parse each text once more for it.
    shapes = objects.groupBy("keys").count()
    keys = shapes.select("count", F.col("keys").isNull().alias("odd"), F.posexplode_outer("keys").alias("at", "key"))
    first = keys.groupBy("odd", "key").agg(F.min("at").alias("at"), F.sum("count").alias("n"))
    found = first.orderBy("at", F.desc("n"), "key").collect()
    return [row["key"] for row in found if row["key"] is not None], any(row["odd"] for row in found)


def odd_lines(objects: DataFrame) -> dict[str, bool]:
    """Path → whether none of its lines is an object, for the files with a line that isn't; a job over the files."""
    from pyspark.sql import functions as F

    odd = F.count_if(F.col("keys").isNull()).alias("odd")
    counted = objects.groupBy("_source").agg(odd, F.count(F.lit(1)).alias("all")).collect()
    return {row["_source"]: row["odd"] == row["all"] for row in counted if row["odd"]}


def keys_by_file(objects: DataFrame) -> dict[str, list[str]]:
    """Path → its keys; a job over the files."""
    from pyspark.sql import functions as F

    shapes = objects.groupBy("_source", "keys").count()
    keys = shapes.select("_source", F.explode_outer("keys").alias("key")).where("key IS NOT NULL")
    found = keys.groupBy("_source").agg(F.sort_array(F.collect_set("key")).alias("keys"))
    return {row["_source"]: row["keys"] for row in found.collect()}


def column_names(keys: Sequence[str]) -> list[str]:
    """The columns of these keys, without repeats that differ in case only."""
    cleaned = [clean_name(k, BLANK) for k in keys]
    return list({folded(n): n for n in reversed(cleaned)}.values())[::-1]


def group_of(objects: DataFrame, spelling: Mapping[str, str], keys: Sequence[str]) -> Group:
    """The objects as columns; of keys that mean the same column in one object the first counts, others are rescued."""
    from pyspark.sql import functions as F

    names = {key: spelling[folded(clean_name(key, BLANK))] for key in keys}
    alike = len(set(names.values())) < len(names)
    unparsed = F.when(F.col("keys").isNull(), F.col("text"))
    inexact = F.when(F.col("keys").isNotNull() & is_inexact(F.col("text")), F.col("text"))
    # Columns of their own, so that each is found once for a row however often it's used.
    df = objects.withColumn("names", _named(names) if alike else F.col("keys")).withColumn("raw", inexact)
    df = df.withColumn("extras", _extras(list(names.values())))
    values = {name: (_value(name if alike else key), "string") for key, name in names.items()}
    return Group(df, values, [("_unparsed", unparsed), ("_raw", F.col("raw"))], F.col("extras"))


def _named(names: Mapping[str, str]) -> Column:
    from pyspark.sql import functions as F

    table = F.create_map(*[F.lit(text) for pair in names.items() for text in pair])
    return F.transform("keys", lambda key: F.element_at(table, key))


def _value(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.get("vals", F.array_position("names", name).cast("int") - 1)


def _extras(columns: Sequence[str]) -> Column:
    """The later ones of keys that mean the same column, as (key, value); `#<n>` keeps equal keys apart."""
    from pyspark.sql import functions as F

    def later(entry: Column, i: Column) -> Column:
        return F.array_position("names", entry["names"]) != i + 1

    def renamed(entry: Column, i: Column) -> Column:
        clash = entry["keys"].isin([*columns, *IN_RESCUED]) | (F.array_position("keys", entry["keys"]) != entry["at"])
        key = F.when(clash, F.concat(entry["keys"], F.lit("#"), (i + 2).cast("string"))).otherwise(entry["keys"])
        return F.struct(key.alias("key"), entry["vals"].alias("value"))

    at = F.sequence(F.lit(1), F.size("keys")).alias("at")
    entries = F.arrays_zip(F.col("keys"), F.col("names"), F.col("vals"), at)
    repeated = F.size(F.array_distinct("names")) < F.size("names")
    return F.when(repeated, F.transform(F.filter(entries, later), renamed))


def _lines(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival]) -> DataFrame:
    from pyspark.sql import functions as F

    if python_encoding(kind.encoding) in ("utf-8", "utf-8-sig"):
        df = load(spark.read, "text", files)
        df = df.select(F.col("value").alias("text"), source_path(df))
        return df.where(_valid(kind.encoding)).where(F.col("text").rlike(r"\S"))
    # The CSV reader is the one that knows every encoding: with no quotes, and a delimiter JSON doesn't allow.
    options = {"sep": "\u0001", "quote": "", "escape": "", "encoding": java_encoding(kind.encoding)}
    wide = str(is_wide(kind.encoding)).lower()
    df = load(spark.read.schema("text string").options(**options, multiLine=wide), "csv", files)
    df = df.select(F.ltrim("text", F.lit("\ufeff")).alias("text"), source_path(df))
    return df.where(decoded([F.col("text")], kind.encoding)).where(F.col("text").rlike(r"\S"))


def _valid(encoding: str) -> Column:
    """A condition that is always true, or else ends the query: the bytes of `text` are UTF-8."""
    from pyspark.sql import functions as F

    message = F.concat(F.lit(f"not valid {encoding}: "), F.col("_source"))
    return F.when(F.is_valid_utf8("text"), F.lit(True)).otherwise(F.raise_error(message).cast("boolean"))


def _elements(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival]) -> DataFrame:
    """The elements of each document's array, or the one object it is."""
    from pyspark.sql import functions as F

    df = load(spark.read.options(wholetext=True), "text", files)
    df = df.select(F.col("value").alias("text"), source_path(df))
    document = F.trim(_decoded(kind.encoding), F.lit("\ufeff \t\r\n"))
    df = df.select(document.alias("text"), "_source")
    listed = F.when(F.col("text").startswith("["), F.col("text")).otherwise(
        F.concat(F.lit("["), F.col("text"), F.lit("]"))
    )
    broken = F.raise_error(F.concat(F.lit("not a JSON document: "), F.col("_source"))).cast("array<string>")
    found = parsed(df, "elements", listed, "array<string>")
    found = found.select(F.explode(F.coalesce("elements", broken)).alias("text"), "_source")
    return found.withColumn("text", F.coalesce("text", F.lit("null")))


def _decoded(encoding: str) -> Column:
    from pyspark.sql import functions as F

    if python_encoding(encoding) in ("utf-8", "utf-8-sig"):
        return F.when(_valid(encoding), F.col("text"))
    return F.decode(F.col("text").cast("binary"), java_encoding(encoding))
