"""Which titles are of which genre, a row for each pair."""

from lakehouse_assets.engine import Column, references, refresh, sql_table

bridge_title_genre = sql_table(
    genres="silver.genres",
    columns=[Column("show_id", "bigint", key=True), Column("genre", "string", key=True)],
    checks=[references("show_id", "gold.dim_title", "show_id")],
    write=refresh(by="show_id"),
    sql="SELECT show_id, genre FROM genres",
)
