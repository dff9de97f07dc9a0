"""Actors who play together in two titles or more, a row for each of the two."""

from lakehouse_assets.engine import Column, fail, refresh, sql_table

collaborations = sql_table(
    cast="silver.cast",
    columns=[
        Column("actor", "string", key=True),
        Column("partner", "string", key=True),
        Column("titles", "bigint", nullable=False, doc="In which both play."),
    ],
    expect=[fail("actor <> partner")],
    write=refresh(by="actor"),
    sql="""
        SELECT a.actor, b.actor AS partner, count(*) AS titles
        FROM cast a JOIN cast b ON a.show_id = b.show_id AND a.actor <> b.actor
        GROUP BY a.actor, b.actor HAVING count(*) >= 2
    """,
)
