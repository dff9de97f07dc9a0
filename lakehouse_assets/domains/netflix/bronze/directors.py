"""Who directed which title, as the dumps have it."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import http, table


@table(landed=http("${LAKEHOUSE_NETFLIX_URL}/netflix_directors.csv"))
def directors(landed: DataFrame) -> DataFrame:
    return landed
