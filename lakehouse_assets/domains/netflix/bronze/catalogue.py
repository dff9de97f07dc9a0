"""Dumps of a newer kind, a file with all of a title in its row; land them as `catalogue/<date>.csv`."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("catalogue/*.csv", multiline=True))
def catalogue(landed: DataFrame) -> DataFrame:
    return landed
