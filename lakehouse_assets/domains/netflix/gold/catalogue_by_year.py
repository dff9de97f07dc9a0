"""What there is of each year of release, by type and rating."""

from lakehouse_assets.engine import Column, refresh, sql_table

catalogue_by_year = sql_table(
    titles="silver.titles",
    columns=[
        Column("release_year", "int", key=True),
        Column("type", "string", key=True, doc="Movie or TV Show."),
        Column("rating", "string", key=True, doc="`none` where a title has none."),
        Column("titles", "bigint", nullable=False),
    ],
    write=refresh(by="release_year"),
    sql="""
        SELECT release_year, type, coalesce(rating, 'none') AS rating, count(*) AS titles
        FROM titles GROUP BY ALL
    """,
)
