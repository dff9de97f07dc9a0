"""The times in which the temperature was not as it should be, as people labelled them: every cell as text."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("anomaly_windows/*.csv"))
def anomaly_windows(landed: DataFrame) -> DataFrame:
    return landed
