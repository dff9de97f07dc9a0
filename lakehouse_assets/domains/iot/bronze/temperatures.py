"""Temperatures of a machine as delivered, one in five minutes: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("temperatures/*.csv"))
def temperatures(landed: DataFrame) -> DataFrame:
    return landed
