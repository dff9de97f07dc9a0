"""Where each title was produced, as the last dump has it.

A row of a title that isn't known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.domains.netflix.of_titles import of_titles
from lakehouse_assets.engine import Column, lookup, merge, references, snapshots, table, typed


@table(
    raw=snapshots("bronze.countries", on=["show_id", "country"], at="_source"),
    titles=lookup("silver.titles"),
    columns=[
        Column("show_id", "bigint", key=True),
        Column("country", "string", key=True, doc="English name."),
        Column("title", "string", nullable=False, doc="Of the movie or show."),
    ],
    expect=[typed()],
    checks=[references("show_id", "silver.titles", "show_id")],
    write=merge(on=["show_id", "country"], newest="_source", delete_when="_deleted"),
)
def countries(raw: DataFrame, titles: DataFrame) -> DataFrame:
    return of_titles(raw, titles, F.trim("country").alias("country"))
