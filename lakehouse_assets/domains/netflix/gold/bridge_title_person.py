"""Who did what in which title, a row for each person and role."""

from lakehouse_assets.engine import Column, fail, one_of, references, refresh, sql_table

bridge_title_person = sql_table(
    cast="silver.cast",
    directors="silver.directors",
    columns=[
        Column("show_id", "bigint", key=True),
        Column("person", "string", key=True),
        Column("role", "string", key=True, doc="actor or director."),
    ],
    expect=[fail(one_of("role", "actor", "director"))],
    checks=[references("show_id", "gold.dim_title", "show_id")],
    write=refresh(by="show_id"),
    sql="""
        SELECT show_id, actor AS person, 'actor' AS role FROM cast
        UNION ALL
        SELECT show_id, director, 'director' FROM directors
    """,
)
