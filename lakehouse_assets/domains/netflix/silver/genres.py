"""The genres of each title, as the last dump has them.

A row of a title that isn't known is in quarantine; once the title is, `lakehouse run TABLE --full` takes the row in.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.domains.netflix.of_titles import of_titles
from lakehouse_assets.engine import Column, lookup, merge, references, snapshots, table, typed


@table(
    raw=snapshots("bronze.category", on=["show_id", "listed_in"], at="_source"),
    titles=lookup("silver.titles"),
    columns=[
        Column("show_id", "bigint", key=True),
        Column("genre", "string", key=True, doc="As Netflix lists it."),
        Column("title", "string", nullable=False, doc="Of the movie or show."),
    ],
    expect=[typed()],
    checks=[references("show_id", "silver.titles", "show_id")],
    write=merge(on=["show_id", "genre"], newest="_source", delete_when="_deleted"),
)
def genres(raw: DataFrame, titles: DataFrame) -> DataFrame:
    return of_titles(raw, titles, F.trim("listed_in").alias("genre"))
