"""What there is of each genre; a title of two genres counts in both."""

from lakehouse_assets.engine import Column, refresh, sql_table

catalogue_by_genre = sql_table(
    genres="silver.genres",
    titles="silver.titles",
    columns=[
        Column("genre", "string", key=True),
        Column("movies", "bigint", nullable=False),
        Column("shows", "bigint", nullable=False),
        Column("median_minutes", "double", doc="Of its movies."),
        Column("first_release_year", "int"),
        Column("last_added_on", "date"),
    ],
    write=refresh(by="genre"),
    sql="""
        SELECT genre, count_if(type = 'Movie') AS movies, count_if(type = 'TV Show') AS shows,
               median(minutes) AS median_minutes, min(release_year) AS first_release_year,
               max(added_on) AS last_added_on
        FROM genres JOIN titles USING (show_id)
        GROUP BY genre
    """,
)
