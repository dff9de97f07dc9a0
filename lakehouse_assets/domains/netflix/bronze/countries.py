"""Where each title was produced, as the dumps have it."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import http, table


@table(landed=http("${LAKEHOUSE_NETFLIX_URL}/netflix_countries.csv"))
def countries(landed: DataFrame) -> DataFrame:
    return landed
