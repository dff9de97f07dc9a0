"""Airports as delivered: code, name, place and time zone, every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("airports/*.csv", nulls=("", "NA")))
def airports(landed: DataFrame) -> DataFrame:
    return landed
