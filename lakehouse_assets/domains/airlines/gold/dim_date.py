"""Days for reports: every day from the first flight to the last."""

from lakehouse_assets.engine import Column, sql_table

dim_date = sql_table(
    flights="silver.flights",
    columns=[
        Column("date", "date", key=True),
        Column("year", "int", nullable=False),
        Column("quarter", "int", nullable=False),
        Column("month", "int", nullable=False),
        Column("month_name", "string", nullable=False),
        Column("week", "int", nullable=False, doc="ISO 8601."),
        Column("day", "int", nullable=False),
        Column("weekday", "int", nullable=False, doc="1 is Monday (ISO 8601)."),
        Column("weekday_name", "string", nullable=False),
        Column("weekend", "boolean", nullable=False),
    ],
    sql="""
        WITH days AS (SELECT explode(sequence(min(flight_date), max(flight_date))) AS date FROM flights)
        SELECT date, year(date) AS year, quarter(date) AS quarter, month(date) AS month,
               date_format(date, 'MMMM') AS month_name, weekofyear(date) AS week, day(date) AS day,
               weekday(date) + 1 AS weekday, date_format(date, 'EEEE') AS weekday_name, weekday(date) >= 5 AS weekend
        FROM days
    """,
)
