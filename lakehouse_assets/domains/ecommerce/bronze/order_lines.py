"""Lines of the gift shop's invoices as delivered, one file a day: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("order_lines/*.csv"))
def order_lines(landed: DataFrame) -> DataFrame:
    return landed
