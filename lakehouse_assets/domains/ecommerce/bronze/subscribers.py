"""Subscribers of a telephone company as delivered, with who left in the last month: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("subscribers/*.csv"))
def subscribers(landed: DataFrame) -> DataFrame:
    return landed
