"""Mobile payments of the PaySim simulation as delivered, with which are fraud: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("payments/*.csv*"))
def payments(landed: DataFrame) -> DataFrame:
    return landed
