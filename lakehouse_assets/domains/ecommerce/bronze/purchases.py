"""Purchases of CDs as delivered, a row a line: customer, day, number of CDs and dollars, set apart by blanks.

The first line of a file names its columns.
"""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, files, table


# The columns are aligned by one blank or several, so no delimiter splits them; a line has no tab.
@table(landed=files("purchases/*.txt", header=False, delimiter="\t"), columns=[Column("line", "string")])
def purchases(landed: DataFrame) -> DataFrame:
    return landed
