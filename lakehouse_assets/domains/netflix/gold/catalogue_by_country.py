"""What each country has in the catalogue; a title from two countries counts in both."""

from lakehouse_assets.engine import Column, refresh, sql_table

catalogue_by_country = sql_table(
    countries="silver.countries",
    titles="silver.titles",
    columns=[
        Column("country", "string", key=True),
        Column("movies", "bigint", nullable=False),
        Column("shows", "bigint", nullable=False),
        Column("median_minutes", "double", doc="Of its movies."),
        Column("first_release_year", "int"),
        Column("last_added_on", "date"),
    ],
    write=refresh(by="country"),
    sql="""
        SELECT country, count_if(type = 'Movie') AS movies, count_if(type = 'TV Show') AS shows,
               median(minutes) AS median_minutes, min(release_year) AS first_release_year,
               max(added_on) AS last_added_on
        FROM countries JOIN titles USING (show_id)
        GROUP BY country
    """,
)
