"""The values of Debezium's images, as exact as the database had them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# What stands for a value that the connector doesn't know (`unavailable.value.placeholder`): its default.
UNAVAILABLE = "__debezium_unavailable_value"
_DECIMALS = ("org.apache.kafka.connect.data.Decimal", "io.debezium.data.VariableScaleDecimal")
_SCHEMA = (
    "fields array<struct<field:string,fields:array<struct<field:string,name:string,parameters:map<string,string>>>>>"
)
# The types of MongoDB that are one text; dates and binary data are told in several ways, and stay JSON.
_EXTENDED = r'^\{"\$(?:oid|numberInt|numberLong|numberDouble|numberDecimal)":"([^"]*)"\}$'
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_WRITTEN = r"^-?[0-9]+(\.[0-9]+)?$"


def exact(rows: DataFrame, decimals: Mapping[str, int], unavailable: str) -> DataFrame:
    """The rows with the images `__old` and `__new`, made of `__before` and `__after`: decimals as plain text.

    A value that isn't known, or no decimal of at most 38 digits though it should be one, is null. `__known` is the new
    image as it came, with the values that it doesn't tell taken from the old one, where that does.
    """
    from pyspark.sql import functions as F

    placeholders = _placeholders(unavailable)
    rows = rows.withColumn("__scales", _scales(decimals))
    is_mongodb = F.col("__source")["ord"].isNotNull() | (F.col("__source")["connector"] == "mongodb")

    def plain(image: str) -> Callable[[Column, Column], Column]:
        document = F.col("__message")[image]

        def of(name: Column, value: Column) -> Column:
            text = F.when(is_mongodb, F.regexp_replace(value, _EXTENDED, "$1")).otherwise(value)
            # Bytes are a string in the JSON; a number there stands for itself, whatever the schema says.
            coded = F.contains(document, F.concat(F.lit('"'), name, F.lit('":"'))) | value.startswith("{")
            written = F.when(value.rlike(_WRITTEN), value)  # and is no base64, whose length is a multiple of four
            scale = F.when(coded, F.col("__scales")[name])
            known = F.when(scale.isNull(), text).otherwise(F.coalesce(_decimal(value, scale), written))
            return F.when(~value.isin(*placeholders), known)

        return of

    def kept(name: Column, value: Column) -> Column:
        return F.when(value.isin(*placeholders), F.coalesce(F.col("__before")[name], value)).otherwise(value)

    rows = rows.withColumn("__known", F.transform_values("__after", kept))
    rows = rows.withColumn("__old", F.transform_values("__before", plain("before")))
    return rows.withColumn("__new", F.transform_values("__known", plain("after")))


def untold(columns: Sequence[str], unavailable: str) -> Column:
    """The names of the columns that the new image doesn't tell; null if there are none."""
    from pyspark.sql import functions as F

    names = F.filter(_names(columns), lambda name: F.col("__known")[name].isin(*_placeholders(unavailable)))
    return F.when(F.size(names) > 0, names)


def lost(columns: Sequence[str], unavailable: str) -> Column:
    """Why an image can't be taken of which some of the columns are no decimals that can be held; null if all are."""
    from pyspark.sql import functions as F

    came, taken, placeholders = F.col("__known"), F.col("__new"), _placeholders(unavailable)
    names = F.filter(
        _names(columns),
        lambda name: came[name].isNotNull() & taken[name].isNull() & ~came[name].isin(*placeholders),
    )
    told = F.concat(F.array_join(names, ", "), F.lit(": it is no decimal of at most 38 digits"))
    return F.when(F.size(names) > 0, told)


def _placeholders(text: str) -> tuple[str, ...]:
    """How it comes: as text, as bytes in base64 or hexadecimal, in a list, in a map."""
    coded = text.encode()
    return text, base64.b64encode(coded).decode(), coded.hex(), json.dumps([text]), f'{{"{text}":"{text}"}}'


def _names(columns: Sequence[str]) -> Column:
    from pyspark.sql import functions as F

    return F.array(*map(F.lit, columns)).cast("array<string>")


def _scales(decimals: Mapping[str, int]) -> Column:
    """The scale of each decimal that comes as bytes: by the message's schema, or without one as it was declared."""
    from pyspark.sql import functions as F

    pairs = [text for name, scale in decimals.items() for text in (F.lit(name), F.lit(str(scale)))]
    declared = F.create_map(*pairs).cast("map<string,string>")
    images = F.filter(F.from_json("__schema", _SCHEMA)["fields"], lambda f: f["field"].isin("after", "before"))
    found = F.filter(F.get(images, F.lit(0))["fields"], lambda f: f["name"].isin(*_DECIMALS))
    entries = F.transform(found, lambda f: F.struct(f["field"], F.coalesce(f["parameters"]["scale"], F.lit("0"))))
    return F.coalesce(F.map_from_entries(entries), declared)


def _decimal(value: Column, scale: Column) -> Column:
    """The text of a decimal: of its bytes in base64 at a scale, or of an object that has both."""
    from pyspark.sql import functions as F

    own = F.get_json_object(value, "$.scale")
    content = F.when(own.isNotNull(), F.get_json_object(value, "$.value")).otherwise(value)
    return _let(F.struct(_number(content).alias("of"), F.coalesce(own, scale).cast("int").alias("scale")), _pointed)


def _pointed(number: Column) -> Column:
    from pyspark.sql import functions as F

    digits, scale = F.ltrim(number["of"], F.lit("-")), number["scale"]
    long = F.lpad(digits, F.greatest(F.length(digits), scale + 1), F.lit("0"))
    split = F.length(long) - scale
    fraction = F.concat(F.substring(long, F.lit(1), split), F.lit("."), F.substring(long, split + 1, scale))
    text = F.when(scale > 0, fraction).otherwise(F.concat(digits, F.repeat(F.lit("0"), -scale)))
    return F.when(number["of"].startswith("-"), F.concat(F.lit("-"), text)).otherwise(text)


def _number(text: Column) -> Column:
    """The number that big-endian bytes in two's complement are, as text; null beyond 38 digits."""
    from pyspark.sql import functions as F

    whole = F.when(text.rlike(_BASE64), text)  # Spark takes texts of other lengths too
    return _let(F.hex(F.try_to_binary(whole, F.lit("base64"))), _signed)


def _signed(digits: Column) -> Column:
    from pyspark.sql import functions as F

    negative = digits.rlike("^[89A-F]")
    # -n is told as the inverse of n - 1.
    positive = F.when(negative, F.translate(digits, "0123456789ABCDEF", "FEDCBA9876543210")).otherwise(digits)
    size = _let(F.ltrim(positive, F.lit("0")), _unsigned)
    return F.when(negative, F.concat(F.lit("-"), F.try_add(size, F.lit(1)).cast("string"))).otherwise(
        size.cast("string")
    )


def _unsigned(digits: Column) -> Column:
    from pyspark.sql import functions as F

    padded = F.lpad(digits, 32, "0")
    parts = [F.conv(F.substring(padded, 1 + 8 * i, 8), 16, 10).cast("decimal(10,0)") for i in range(4)]
    number = parts[0].cast("decimal(38,0)")
    for part in parts[1:]:
        number = F.try_add(F.try_multiply(number, F.lit(2**32).cast("decimal(10,0)")), part)
    return F.when(F.length(digits) <= 32, number.try_cast("decimal(38,0)"))


def _let(value: Column, use: Callable[[Column], Column]) -> Column:
    """What a function makes of a value that is used more than once, and computed once."""
    from pyspark.sql import functions as F

    return F.get(F.transform(F.array(value), use), F.lit(0))
