"""Which titles come from which country, a row for each pair."""

from lakehouse_assets.engine import Column, references, refresh, sql_table

bridge_title_country = sql_table(
    countries="silver.countries",
    columns=[Column("show_id", "bigint", key=True), Column("country", "string", key=True)],
    checks=[references("show_id", "gold.dim_title", "show_id")],
    write=refresh(by="show_id"),
    sql="SELECT show_id, country FROM countries",
)
