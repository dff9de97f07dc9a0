"""The catalogue of Netflix: titles, and the people, genres and countries behind them.

The files are downloaded from `LAKEHOUSE_NETFLIX_URL`, a folder on the web, as of a repository; while that isn't set,
only what others land is read. Each file is a whole dump. Dumps of a newer kind, one file with lists in its cells, are
landed by others.
"""

from datetime import timedelta

from lakehouse_assets.engine import Domain

netflix = Domain(
    owner="team:catalogue",
    schedule="0 5 * * *",
    freshness=timedelta(hours=26),
    doc="Every Netflix table, from the dumps on the web to the catalogue that is reported.",
)
