"""Queries in which tables go by their lakehouse names."""

from __future__ import annotations

from lakehouse_assets.engine.discover import Lakehouse
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake import Lake


class QueryError(LakehouseError):
    """A query can't be parsed or run."""


def located(query: str, lakehouse: Lakehouse, lake: Lake) -> str:
    """The query with the Delta path of each lakehouse table in the place of its name.

    Raises:
        QueryError: it isn't a single SELECT that Spark's dialect has, or names a table that's neither declared nor
            defined in it.
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(query, dialect="spark")
    except sqlglot.ParseError as error:
        raise QueryError(f"The query can't be parsed: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, exp.Query):
        raise QueryError("Only queries are run here; tables are changed by their own declarations")
    within = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        name = ".".join(part.name for part in table.parts)
        if name not in within:
            table.set("this", exp.to_identifier(_path(name, lakehouse, lake), quoted=True))
            table.set("db", exp.to_identifier("delta"))
            table.set("catalog", None)
    return tree.sql(dialect="spark")


def _path(name: str, lakehouse: Lakehouse, lake: Lake) -> str:
    found = lakehouse.find(name)
    if found is None:
        raise QueryError(f"The query reads {name!r}, which is no table; `lakehouse tables` lists them")
    return lake.table(found.key)
