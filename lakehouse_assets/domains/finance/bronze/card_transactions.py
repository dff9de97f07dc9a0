"""Card transactions as delivered, with which are fraud: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("card_transactions/*.csv*"))
def card_transactions(landed: DataFrame) -> DataFrame:
    return landed
