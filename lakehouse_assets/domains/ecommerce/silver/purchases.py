"""Purchases of CDs at CDNOW by customers who first bought in the first quarter of 1997, until June 1998.

There is no order number, so two equal purchases of a customer on a day can't be told from one that is written twice.
The published totals count all of them, and so do we: `nth` tells them apart. A purchase may be of nothing to pay.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, drop, matches, merge, table, typed, warn


@table(
    raw="bronze.purchases",
    columns=[
        Column("customer_id", "string", key=True, doc="Five digits, with leading zeros."),
        Column("purchased_on", "date", key=True),
        Column("cds", "int", key=True, doc="How many."),
        Column("amount_usd", "decimal(10,2)", key=True),
        Column("nth", "int", key=True, doc="1, or more of a purchase that the day has before."),
    ],
    expect=[
        typed(),
        drop(matches("customer_id", r"^\d{5}$")),
        drop("cds > 0"),
        drop("amount_usd >= 0"),
        warn("amount_usd > 0"),
        warn("nth = 1", name="once_a_day"),
    ],
    write=merge(on=["customer_id", "purchased_on", "cds", "amount_usd", "nth"], newest="_ingested_at"),
)
def purchases(raw: DataFrame) -> DataFrame:
    lines = raw.where(~F.col("line").contains("customer_id")).withColumn("cells", F.split(F.trim("line"), r"\s+"))
    # A purchase has four cells; one of a line with more or fewer has no day, and is in quarantine.
    day = F.when(F.size("cells") == 4, F.get("cells", F.lit(1)))
    same = Window.partitionBy("_source", "_batch", F.array_join("cells", " ")).orderBy("line")
    return lines.select(
        F.get("cells", F.lit(0)).alias("customer_id"),
        F.regexp_replace(day, r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3").alias("purchased_on"),
        F.get("cells", F.lit(2)).alias("cds"),
        F.get("cells", F.lit(3)).alias("amount_usd"),
        F.row_number().over(same).alias("nth"),
        "_source",
        "_ingested_at",
    )
