"""Carriers as delivered: code and name."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("carriers/*.csv", nulls=("", "NA")))
def carriers(landed: DataFrame) -> DataFrame:
    return landed
