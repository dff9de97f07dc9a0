"""Registered planes as delivered: tail number, maker, model, seats, every cell as text, `NA` as null."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("planes/*.csv", nulls=("", "NA")))
def planes(landed: DataFrame) -> DataFrame:
    return landed
