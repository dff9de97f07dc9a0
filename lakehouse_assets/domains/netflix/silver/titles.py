"""Movies and shows, one row each, as the last dump has them.

A record that was broken over two lines has its cells under wrong names; both parts are in quarantine.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, not_null, one_of, snapshots, table, typed, warn


@table(
    raw=snapshots("bronze.titles", on="show_id", at="_source"),
    columns=[
        Column("show_id", "bigint", key=True, doc="Netflix's own number."),
        Column("type", "string", nullable=False, doc="Movie or TV Show."),
        Column("title", "string", nullable=False),
        Column("added_on", "date", doc="When it came into the catalogue."),
        Column("release_year", "int", nullable=False),
        Column("rating", "string", doc="Of the age it's meant for, as TV-14."),
        Column("minutes", "int", doc="Of a movie."),
        Column("seasons", "int", doc="Of a show."),
        Column("description", "string"),
    ],
    expect=[
        typed(),
        drop(one_of("type", "Movie", "TV Show")),
        drop(between("release_year", 1900, 2100)),
        drop("(type = 'Movie') = (minutes IS NOT NULL)", name="movies_have_minutes"),
        warn(not_null("added_on")),
        warn(not_null("rating")),
    ],
    write=merge(on="show_id", newest="_source", delete_when="_deleted"),
)
def titles(raw: DataFrame) -> DataFrame:
    return raw.select(
        "show_id",
        "type",
        F.trim("title").alias("title"),
        F.expr("coalesce(string(date(coalesce(try_to_timestamp(trim(date_added), 'M/d/yyyy'),"
               " try_to_timestamp(trim(date_added), 'MMMM d, yyyy')))), date_added)").alias("added_on"),
        "release_year",
        "rating",
        F.col("duration_minutes").alias("minutes"),
        F.col("duration_seasons").alias("seasons"),
        F.trim("description").alias("description"),
        "_source",
        "_deleted",
    )  # fmt: skip
