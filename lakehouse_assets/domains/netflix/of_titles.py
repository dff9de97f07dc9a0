"""What the four tables of what belongs to titles do alike."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def of_titles(raw: DataFrame, titles: DataFrame, value: Column) -> DataFrame:
    """One row per title and value, with the title's name; without one where the title isn't known."""
    known = titles.select(F.col("show_id").alias("__known"), "title")
    rows = raw.select("show_id", value, "_source", "_deleted")
    return rows.join(known, F.expr("try_cast(show_id AS bigint) = __known"), "left").drop("__known")
