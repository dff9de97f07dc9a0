"""Hourly weather at the New York airports as the feed delivers it, one file a day: every cell as text, `NA` as null."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("weather/*.csv", nulls=("", "NA")))
def weather(landed: DataFrame) -> DataFrame:
    return landed
