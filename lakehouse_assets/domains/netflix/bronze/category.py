"""The genres of each title, as the dumps have them."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import http, table


@table(landed=http("${LAKEHOUSE_NETFLIX_URL}/netflix_category.csv"))
def category(landed: DataFrame) -> DataFrame:
    return landed
