"""Cycles of jet engines as delivered, a row a flight: engine, cycle, three settings and 21 sensors, all as text.

The name of the file, as `train_FD001.txt`, tells what its engines are for.
"""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import Column, files, table

SETTINGS = tuple(f"setting_{n}" for n in range(1, 4))
SENSORS = tuple(f"sensor_{n}" for n in range(1, 22))


# Two blanks end each line, which are two more cells that are always empty.
@table(
    landed=files("engine_cycles/*.txt", header=False, delimiter=" "),
    columns=[Column(name, "string") for name in ("engine", "cycle", *SETTINGS, *SENSORS)],
)
def engine_cycles(landed: DataFrame) -> DataFrame:
    return landed.drop("_c26", "_c27")
