"""Movies and shows as the last dump of the newer kind has them, with their people, countries and genres as lists.

A title whose date or duration is in a form that isn't known is in quarantine.
"""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import (
    Column,
    between,
    drop,
    matches,
    merge,
    not_null,
    one_of,
    snapshots,
    table,
    typed,
    warn,
)

DATES = ("MMMM d, yyyy", "yyyy-MM-dd", "d-MMM-yy", "M/d/yyyy")


@table(
    raw=snapshots("bronze.catalogue", on="show_id", at="_source"),
    columns=[
        Column("show_id", "string", key=True, doc="As the dump numbers it, as s81."),
        Column("type", "string", nullable=False, doc="Movie or TV Show."),
        Column("title", "string", nullable=False),
        Column("date_added", "string", doc="When it came into the catalogue, as the dump writes it."),
        Column("added_on", "date", doc="The same as a date."),
        Column("release_year", "int", nullable=False),
        Column("rating", "string", doc="Of the age it's meant for, as TV-14."),
        Column("duration", "string", doc="As the dump writes it."),
        Column("minutes", "int", doc="Of a movie."),
        Column("seasons", "int", doc="Of a show."),
        Column("directors", "array<string>"),
        Column("actors", "array<string>"),
        Column("countries", "array<string>"),
        Column("genres", "array<string>", doc="As Netflix lists them."),
        Column("description", "string"),
    ],
    expect=[
        typed(),
        drop(matches("show_id", r"^s?\d+$")),
        drop(one_of("type", "Movie", "TV Show")),
        drop(between("release_year", 1900, 2100)),
        drop("date_added IS NULL OR added_on IS NOT NULL", name="date_is_in_a_known_form"),
        drop("duration IS NULL OR coalesce(minutes, seasons) IS NOT NULL", name="duration_is_in_a_known_form"),
        warn(not_null("added_on")),
        warn("size(genres) > 0", name="has_a_genre"),
    ],
    write=merge(on="show_id", newest="_source", delete_when="_deleted"),
)
def catalogue(raw: DataFrame) -> DataFrame:
    added = F.trim("date_added")
    return raw.select(
        F.trim("show_id").alias("show_id"),
        "type",
        F.trim("title").alias("title"),
        added.alias("date_added"),
        F.coalesce(*(F.try_to_timestamp(added, F.lit(form)) for form in DATES)).cast("date").alias("added_on"),
        "release_year",
        "rating",
        "duration",
        F.regexp_extract("duration", r"^(\d+) min$", 1).alias("minutes"),
        F.regexp_extract("duration", r"^(\d+) Seasons?$", 1).alias("seasons"),
        _listed("director").alias("directors"),
        _listed("cast").alias("actors"),
        _listed("country").alias("countries"),
        _listed("listed_in").alias("genres"),
        F.trim("description").alias("description"),
        "_source",
        "_deleted",
    )


def _listed(cell: str) -> Expression:
    """The parts of a cell between its commas; none of an empty one."""
    return F.filter(F.split(F.coalesce(cell, F.lit("")), r"\s*,\s*"), lambda part: part != "")
