"""What the four tables of what belongs to titles do alike."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def of_titles(raw: DataFrame, titles: DataFrame, value: Column) -> DataFrame:
    """One row per title and value, with the title's name; without one where the title isn't known."""
    show = F.expr("try_cast(show_id AS bigint)").alias("show_id")
    return raw.select(show, value, "_source", "_deleted").join(titles.select("show_id", "title"), "show_id", "left")
