"""Flights from New York as the feed delivers them, one file a day: every cell as text, `NA` as null."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("flights/*.csv", nulls=("", "NA")))
def flights(landed: DataFrame) -> DataFrame:
    return landed
