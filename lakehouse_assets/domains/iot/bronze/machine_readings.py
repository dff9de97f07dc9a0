"""Readings of the milling machine as delivered, with its failures: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("machine_readings/*.csv"))
def machine_readings(landed: DataFrame) -> DataFrame:
    return landed
