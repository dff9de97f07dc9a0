"""How many cycles were left to the engines of a test, as delivered: the first line is engine 1, and so on."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, files, table


@table(
    landed=files("engine_lives/*.txt", header=False, delimiter="\t"),
    columns=[Column("cycles_left", "string"), Column("line", "int", doc="In its file, from 1.")],
)
def engine_lives(landed: DataFrame) -> DataFrame:
    # A file is read in one piece up to 128 MB, and the ids of a piece grow by line.
    lines = Window.partitionBy("_source").orderBy("id")
    numbered = landed.withColumn("id", F.monotonically_increasing_id())
    return numbered.withColumn("line", F.row_number().over(lines)).drop("id")
