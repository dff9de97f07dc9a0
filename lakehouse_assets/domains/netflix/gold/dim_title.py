"""Titles for reports, one row each. The bridges lead from here to genres, countries and people."""

from lakehouse_assets.engine import Column, refresh, sql_table

dim_title = sql_table(
    titles="silver.titles",
    columns=[
        Column("show_id", "bigint", key=True),
        Column("title", "string", nullable=False),
        Column("type", "string", nullable=False, doc="Movie or TV Show."),
        Column("release_year", "int", nullable=False),
        Column("added_on", "date"),
        Column("rating", "string"),
        Column("minutes", "int"),
        Column("seasons", "int"),
    ],
    write=refresh(by="show_id"),
    sql="SELECT show_id, title, type, release_year, added_on, rating, minutes, seasons FROM titles",
)
