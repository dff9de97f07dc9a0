"""What came into the catalogue in each month."""

from lakehouse_assets.engine import Column, refresh, sql_table

additions_by_month = sql_table(
    titles="silver.titles",
    columns=[
        Column("month", "date", key=True, doc="Its first day."),
        Column("movies", "bigint", nullable=False),
        Column("shows", "bigint", nullable=False),
    ],
    write=refresh(by="month"),
    sql="""
        SELECT date(date_trunc('MONTH', added_on)) AS month, count_if(type = 'Movie') AS movies,
               count_if(type = 'TV Show') AS shows
        FROM titles WHERE added_on IS NOT NULL GROUP BY 1
    """,
)
