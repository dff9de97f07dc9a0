"""Titles as the dumps have them, a row a line: every cell as text, with records that were broken over two lines."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import http, table


@table(landed=http("${LAKEHOUSE_NETFLIX_URL}/netflix_titles.csv"))
def titles(landed: DataFrame) -> DataFrame:
    return landed
