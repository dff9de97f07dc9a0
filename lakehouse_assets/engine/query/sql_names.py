"""Queries in which tables go by their lakehouse names: they read the lake, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.lake.tables import read_table
from lakehouse_assets.engine.query.allowed import ONLY_QUERIES, QueryError, refuse_foreign
from lakehouse_assets.engine.query.sql_text import parse, write

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

LONGEST = 100_000  # characters; sqlglot reads them in a second or two
DEEPEST = 200  # sums of 400 terms, or as many brackets, pass through Spark's stack; of 800 they don't
WIDEST = 300  # tables; 30 parts of a WITH, each twice in the next, would be 2^30
# Spark itself takes no file for a table then, and puts no setting or variable of the environment into the text.
_CLOSED = {"spark.sql.runSQLOnFiles": "false", "spark.sql.variable.substitute": "false"}
_ABSENT = re.compile(r"\[(PATH_NOT_FOUND|DELTA_(PATH_DOES_NOT_EXIST|MISSING_DELTA_TABLE|TABLE_NOT_FOUND))\b")
_TRAVEL = {"VERSION": "versionAsOf", "TIMESTAMP": "timestampAsOf"}


@dataclass(frozen=True)
class Snapshot:
    """A table that a query reads, and by Delta's option for it, an older version."""

    table: TableRef
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """The text that Spark gets, and by the names that it has for them, the tables in it."""

    text: str
    tables: Mapping[str, Snapshot]


def located(query: str, lakehouse: Lakehouse, lake: Lake) -> Query:
    """The query over the tables of the lake.

    The text is written anew from the tree that was judged, so Spark reads what was judged. What is written is read
    once more: it has to come out the same, and to pass the same judgement.

    Raises:
        QueryError: it isn't a single query, contains something that isn't allowed, or names a table that's neither
            declared nor defined in it.
    """
    if len(query) > LONGEST:
        raise QueryError(f"The query has {len(query):,} characters; up to {LONGEST:,} are taken")
    try:
        tree = _judged(query)
        text = write(tree)
        if write(_judged(text)) != text:
            raise QueryError("The query can be read in more than one way; brackets around its parts would say which")
        tables = _locate(tree, lakehouse, lake)
        return Query(write(tree), tables)
    except RecursionError as error:
        raise _too_deep() from error
    except (SqlglotError, ValueError, TypeError, LookupError, AttributeError) as error:  # sqlglot's own faults, too
        raise QueryError(f"The query can't be parsed: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first line of an error of sqlglot's, without the names of its classes."""
    return re.sub(r" (but got |for )<.*?>", "", (str(error) or type(error).__name__).splitlines()[0])


def _judged(query: str) -> exp.Expr:
    trees = parse(query)
    if len(trees) != 1:
        raise QueryError(f"One query is run at a time; there are {len(trees)} here")
    if not isinstance(trees[0], exp.Query | exp.Values):
        raise QueryError(ONLY_QUERIES)
    if _depth(trees[0]) > DEEPEST:
        raise _too_deep()
    refuse_foreign(trees[0])
    if _width(trees[0], {}) > WIDEST:
        raise QueryError(f"The query reads more than {WIDEST} tables, by names in a WITH that stand for one another")
    return trees[0]


def _too_deep() -> QueryError:
    return QueryError("The query is nested too deeply; name its inner parts in a WITH, or write lists with IN")


def _depth(tree: exp.Expr) -> int:
    """Levels of a tree. A chain of ANDs or of ORs is one, as it is to Spark; each further join of a query is one."""
    depths = {id(tree): 1}
    for node in tree.walk():
        if node.parent is not None and node is not tree:
            chained = isinstance(node, exp.Connector) and type(node) is type(node.parent)
            further = (node.index or 0) if isinstance(node, exp.Join | exp.Lateral) else 0
            depths[id(node)] = depths[id(node.parent)] + (0 if chained else 1) + further
    return max(depths.values())


def _width(tree: exp.Expr, known: dict[int, int]) -> int:
    """Tables that Spark reads for a query, as it puts the query of a WITH wherever its name is."""
    width = 0
    for table in tree.walk(prune=lambda node: isinstance(node, exp.With)):
        if not isinstance(table, exp.Table):
            continue
        part = _named_within(table)
        if part is not None and id(part) not in known:
            known[id(part)] = 1 + _width(part.this, known)
        width += 1 if part is None else known[id(part)]
    return width


def _locate(tree: exp.Expr, lakehouse: Lakehouse, lake: Lake) -> dict[str, Snapshot]:
    """Give the tables of a query the names under which Spark finds them; by these, where they are."""
    tables: dict[str, Snapshot] = {}
    written = set()
    for table in list(tree.find_all(exp.Table)):
        if isinstance(table.this, exp.Anonymous) or _named_within(table):
            continue
        names = [part.name for part in table.parts]
        found = None if any("." in name for name in names) else lakehouse.find(".".join(names))
        if found is None:
            raise QueryError(f"The query reads {'.'.join(names)!r}, which is no table; `lakehouse tables` lists them")
        options = _travel(table.args.get("version"))
        name = "@".join([found.key, *options.values()])
        tables[name] = Snapshot(lake.table(found.key), options)
        if not table.alias:
            written.add(tuple(names))
            table.set("alias", exp.TableAlias(this=exp.to_identifier(names[-1])))
        for part, value in {"this": exp.to_identifier(name), "db": None, "catalog": None, "version": None}.items():
            table.set(part, value)
    _shorten(tree, written)
    _refuse_shadows(tree, tables)
    return tables


def _named_within(table: exp.Table) -> exp.CTE | None:
    """The part of a WITH that has the name, where the table is: in its query, or in a later part of the same WITH."""
    if len(table.parts) > 1:
        return None
    below: exp.Expr = table
    above = table.parent
    while above is not None:
        named = above.args.get("with_")
        before = above.expressions[: below.index] if isinstance(above, exp.With) else []
        for part in before if named is None or named is below else named.expressions:
            if part.alias.lower() == table.name.lower():
                return cast("exp.CTE", part)
        below, above = above, above.parent
    return None


def _travel(version: exp.Expr | None) -> dict[str, str]:
    """The option by which Delta reads an older version."""
    if version is None:
        return {}
    if not isinstance(version.expression, exp.Literal) or version.args["kind"] != "AS OF":
        raise QueryError("An older version is asked for as VERSION AS OF 3, or as TIMESTAMP AS OF '2025-01-31 12:00'")
    return {_TRAVEL[version.name.upper()]: version.expression.name}


def _shorten(tree: exp.Expr, written: set[tuple[str, ...]]) -> None:
    """Write `layer.name.column` as `name.column`, the alias that the table has got."""
    for column in tree.find_all(exp.Column):
        if tuple(part.name for part in column.parts[:-1]) in written:
            column.set("db", None)
            column.set("catalog", None)


def _refuse_shadows(tree: exp.Expr, tables: Mapping[str, Snapshot]) -> None:
    for cte in tree.find_all(exp.CTE):
        if cte.alias.lower() in {name.lower() for name in tables}:
            raise QueryError(f"{cte.alias!r} is a table; give this part of the WITH a name of its own")


def answer(query: Query, session: SparkSession, rows: int) -> pa.Table:
    """The first rows of a query.

    Raises:
        QueryError: Spark can't run it, or a table in it isn't built.
    """
    from pyspark.errors import PySparkException

    try:
        with _closed(session), _views(session, query.tables):
            return session.sql(query.text).limit(rows).toArrow()
    except PySparkException as error:
        raise QueryError(f"The query failed: {_why(error)}") from error


def _why(error: Exception) -> str:
    """The first line that Spark says; where its stack is used up, it says nothing."""
    first = str(error).strip().splitlines()[0]
    return "the engine gave up on it and didn't say why; it may be nested too deeply" if first[:2] == "<_" else first


@contextmanager
def _closed(session: SparkSession) -> Iterator[None]:
    """Queries of the session read nothing but its views."""
    before = {name: str(session.conf.get(name)) for name in _CLOSED}
    try:
        for name, value in _CLOSED.items():
            session.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            session.conf.set(name, value)


@contextmanager
def _views(session: SparkSession, tables: Mapping[str, Snapshot]) -> Iterator[None]:
    """The tables as views of the session, so that no path is in the text of a query."""
    try:
        for name, table in tables.items():
            _view(session, name, table)
        yield
    finally:
        for name in tables:
            session.catalog.dropTempView(name)


def _view(session: SparkSession, name: str, table: Snapshot) -> None:
    from pyspark.errors import AnalysisException

    try:
        read_table(session, table.table, table.options).createOrReplaceTempView("`{}`".format(name.replace("`", "``")))
    except AnalysisException as error:
        if not _ABSENT.search(str(error)):
            raise
        key = name.split("@")[0]
        raise QueryError(f"{key} isn't built yet; `lakehouse run {key}` builds it") from error
