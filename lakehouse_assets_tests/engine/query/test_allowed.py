"""`lakehouse sql` is read-only and stays in the lake, whatever it's asked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.query.allowed import FUNCTIONS
from lakehouse_assets.engine.query.sql_names import DEEPEST, LONGEST, Query, QueryError, answer, located
from lakehouse_assets_tests.engine.query.spark_grammar import OPERATORS, REFUSED, STATEMENTS, alternatives
from lakehouse_assets_tests.project import Project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAKE = Lake("/lake", "/landing")
EVIL = "reflect('java.lang.System', 'getenv', 'PATH')"


def written(query: str) -> str:
    """What Spark gets of a query that reads no table."""
    return located(query, Lakehouse({}, {}), LAKE).text


def refusal(query: str) -> str:
    with pytest.raises(QueryError) as refused:
        written(query)
    return str(refused.value)


def test_every_statement_of_sparks_grammar_has_a_test() -> None:
    assert set(STATEMENTS) == alternatives()


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_that_is_no_query_is_refused(statement: str) -> None:
    assert refusal(statement)
    assert refusal(f"/* a comment */ {statement};")
    assert refusal(f"SELECT 1; {statement}")
    assert refusal(f"SELECT * FROM ({statement})")
    assert refusal(f"WITH c AS ({statement}) SELECT 1")


@pytest.mark.parametrize("script", ["BEGIN SELECT 1; END", "BEGIN DECLARE x INT; SET x = 1; END", "x: LOOP END LOOP"])
def test_a_script_is_refused(script: str) -> None:
    assert refusal(script)


def test_every_function_of_spark_is_allowed_or_refused_with_a_reason(spark: SparkSession) -> None:
    there = {str(row[0]).removeprefix("spark_catalog.default.") for row in spark.sql("SHOW FUNCTIONS").collect()}
    refused = {name for names in REFUSED.values() for name in names.split()}
    assert not refused & FUNCTIONS
    assert there - FUNCTIONS == refused | set(OPERATORS.split())
    assert FUNCTIONS - there == {"timestampadd", "timestampdiff"}  # of the grammar


@pytest.mark.parametrize("name", sorted(n for names in REFUSED.values() for n in names.split()))
def test_a_refused_function_is_refused_wherever_it_stands(name: str) -> None:
    call = f"{name}('a', 'b')"
    for query in (
        f"SELECT {call}",
        f"SELECT {name.upper()} ('a')",
        f"SELECT `{name}`('a')",
        f"SELECT system.builtin.{call}",
        f"SELECT * FROM {call}",
        f"SELECT 1 LATERAL VIEW {call} t AS x",
        f"SELECT 1 FROM range(1) LATERAL VIEW {call} t AS x",
        f"SELECT * FROM range(1), LATERAL {call}",
        f"SELECT transform(array(1), x -> {call})",
        f"SELECT 1 WHERE EXISTS (SELECT {call})",
        f"SELECT 1 ORDER BY {call}",
        f"SELECT sum(1) OVER (ORDER BY {call})",
        f"SELECT count(*) FILTER (WHERE {call} = 1)",
        f"SELECT 1 GROUP BY ALL HAVING {call} = 'x'",
        f"SELECT 1 LIMIT {call}",
        f"SELECT CASE WHEN {call} THEN 1 END",
        f"SELECT array(1)[{call}]",
        f"SELECT named_struct('a', {call}).a",
        f"SELECT * FROM VALUES ({call})",
        f"VALUES ({call})",
        f"WITH c AS (SELECT {call}) SELECT 1",
        f"SELECT 1 UNION ALL SELECT {call}",
        f"SELECT 'x' COLLATE {name} ('a')",
        f"SELECT /*+ {call} */ 1",
        f"SELECT (SELECT {call})",
        f"SELECT IDENTIFIER('{name}')('a')",
    ):
        assert refusal(query), query


def test_the_refusal_names_the_function_and_a_way_on() -> None:
    assert refusal(f"SELECT {EVIL}").startswith("'reflect' isn't among the functions that `lakehouse sql` runs")
    assert "the table's own declaration" in refusal("SELECT a_later_sparks_own(1)")


@pytest.mark.parametrize(
    ("query", "what"),
    {
        "SELECT TRANSFORM(a) USING 'sh -c id' AS (b) FROM VALUES (1) t(a)": "TRANSFORM … USING",
        "SELECT TRANSFORM(a) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' USING 'cat' FROM t": "TRANSFORM",
        "SELECT MAP a USING 'cat' AS b FROM VALUES (1) t(a)": "can't be parsed",
        "FROM VALUES (1) t(a) REDUCE a USING 'cat' AS b": "can't be parsed",
        "SELECT ${env:PATH}": "a variable",
        "SELECT $x": "a variable",
        "SELECT :x": "a parameter",
        "SELECT ?": "a parameter",
        "SELECT * FROM parquet.`/etc`": "'parquet./etc', which is no table",
        "SELECT * FROM delta.`/etc`": "which is no table",
        "SELECT * FROM `delta`.`/etc`": "which is no table",
        "SELECT * FROM text.`/etc/passwd` VERSION AS OF 1": "which is no table",
        "SELECT * FROM a.b.c.d.e": "",
        "WITH `delta./etc` AS (SELECT 1) SELECT * FROM delta.`/etc`": "which is no table",
        "WITH `text./etc/passwd` AS (SELECT 1) SELECT * FROM text.`/etc/passwd`": "which is no table",
        "SELECT * FROM IDENTIFIER('delta.`/etc`')": "'IDENTIFIER'",
        "SELECT * FROM STREAM x": "which is no table",
        "TABLE x": "",
        "FROM range(1) |> SELECT 1": "pipes",
        "WITH RECURSIVE c AS (SELECT 1) SELECT * FROM c": "WITH RECURSIVE",
        "SELECT 1 INTO x": "INTO",
        "SELECT 1 FROM range(1) FOR UPDATE": "FOR UPDATE",
        "SELECT DISTINCT ON (id) id FROM range(1)": "DISTINCT ON",
        "SELECT id FROM range(1) QUALIFY true": "QUALIFY",
        "SELECT /*+ REPARTITION(3) */ 1": "a hint",
        "SELECT 1; SELECT 2": "One query is run at a time; there are 2",
        "": "there are 0",
        "-- nothing": "there are 0",
        "SELECT (1, , 2)": "comma",
        "SELECT * FROM VALUES 1, 2 AS t(x)": "more than one way",
        "WITH c AS (CLEAR CACHE) SELECT 1": "can't be told for sure",
        "SELECT 'unclosed": "can't be parsed",
        "SELECT - ": "can't be parsed",
    }.items(),
)
def test_what_else_a_query_may_not_contain_is_named(query: str, what: str) -> None:
    assert what in refusal(query)


@pytest.mark.parametrize(
    "name", ["t AS c, " + EVIL, "`t` AS `c`) x, (SELECT " + EVIL, "a'b", "a``b", "*/ " + EVIL + " /*", "\\", "a\nb"]
)
def test_a_quoted_name_stays_a_name(name: str, spark: SparkSession) -> None:
    quoted = "`{}`".format(name.replace("`", "``"))
    for query in (
        f"SELECT {quoted}.c FROM range(1) LATERAL VIEW explode(array(7)) {quoted} AS c",
        f"SELECT * FROM range(1) LATERAL VIEW explode(array(7)) t AS {quoted}",
        f"WITH {quoted} AS (SELECT 7 AS {quoted}) SELECT {quoted}.{quoted} FROM {quoted}",
        f"SELECT transform(array(6), {quoted} -> 7)[0]",
        f"SELECT sum(7) OVER {quoted} FROM range(1) WINDOW {quoted} AS (ORDER BY id)",
    ):
        assert answer(Query(written(query), {}), spark, 9).to_pydict().popitem()[1] == [7], query


def test_no_string_can_end_before_its_end(spark: SparkSession) -> None:
    """Spark reads of the query as written what it reads of the query as asked."""
    pieces = ["\\", "''", '"', "\\'", '\\"', "n", "\\n", "\\0", "\\101", "\\u0041", "\\U0001F600", "\\%", "\\_", "\\Z"]
    pieces += ["%", "$", "${env:PATH}", "{x}", "`", "--", "/*", "*/", "é", "😀", "\n", "\t", ";", "\\\\", "\\q", " "]
    chance = random.Random(18)
    bodies = {"".join(chance.choices(pieces, k=chance.randint(0, 6))) for _ in range(600)}
    asked = [f"'{b}'" for b in bodies if _closes(b)] + [f"r'{b}'" for b in bodies if "'" not in b]
    asked += ['"it\'s"', "R'\\'", "'a' 'b'", "'a''b'", "'a' \"b\"", 'r"it\'s\\"']
    raw = f"SELECT * FROM VALUES {', '.join(f'({text})' for text in asked)}"
    spark.conf.set("spark.sql.variable.substitute", "false")
    try:
        expected = spark.sql(raw).toArrow()
    finally:
        spark.conf.set("spark.sql.variable.substitute", "true")
    assert answer(Query(written(raw), {}), spark, len(asked)).columns == expected.columns


def _closes(body: str) -> bool:
    """Whether the next quote would be the end of the string."""
    return "'" not in body.replace("\\\\", "").replace("\\'", "").replace("''", "") and (
        (len(body) - len(body.rstrip("\\"))) % 2 == 0
    )


def test_spark_puts_nothing_into_a_query_and_opens_no_file(spark: SparkSession, tmp_path: Path) -> None:
    """Also if a text got by that wasn't judged; and the session is as it was, afterwards."""
    (tmp_path / "secret.txt").write_text("secret")
    before = spark.sql("SELECT '${spark.sql.session.timeZone}' AS z").collect()[0].z
    assert before == "UTC"
    shown = answer(Query("SELECT '${spark.sql.session.timeZone}' AS z, '${env:PATH}' AS p", {}), spark, 1)
    assert shown.to_pylist() == [{"z": "${spark.sql.session.timeZone}", "p": "${env:PATH}"}]
    for form in ("text", "csv", "json", "delta", "parquet"):
        with pytest.raises(QueryError, match="TABLE_OR_VIEW_NOT_FOUND"):
            answer(Query(f"SELECT * FROM {form}.`{tmp_path}/secret.txt`", {}), spark, 1)
    assert spark.sql(f"SELECT * FROM text.`{tmp_path}/secret.txt`").collect()[0].value == "secret"


@pytest.mark.parametrize(
    "folder", ["plain", "it's", 'a "quoted" one', "back`tick", "$ {x} ${spark.app.name}", "100% sure"]
)
def test_the_lake_may_be_anywhere(folder: str, project: Project, spark: SparkSession, tmp_path: Path) -> None:
    project.bronze("sales")
    lake = Lake(str(tmp_path / folder), "")
    write_deltalake(lake.table("shop.bronze.sales").path, pa.table({"id": [1, 2]}))
    query = located("SELECT bronze.sales.id FROM bronze.sales ORDER BY sales.id DESC", project.lakehouse, lake)
    assert folder not in query.text
    assert answer(query, spark, 9).to_pydict() == {"id": [2, 1]}
    assert "shop.bronze.sales" not in {table.name for table in spark.catalog.listTables()}


def test_the_name_in_a_with_is_a_table_of_the_lake_where_it_is_out_of_scope(project: Project) -> None:
    project.bronze("sales")
    for query, read in {
        "WITH sales AS (SELECT 1 AS a) SELECT * FROM sales": False,
        "WITH SALES AS (SELECT 1 AS a) SELECT * FROM (SELECT * FROM sales)": False,
        "SELECT * FROM (WITH sales AS (SELECT 1 AS a) SELECT * FROM sales) JOIN sales": True,
        "WITH a AS (SELECT * FROM sales), sales AS (SELECT 1) SELECT * FROM a": True,
        "WITH sales AS (SELECT * FROM sales) SELECT * FROM sales": True,
        "WITH sales AS (SELECT 1 AS a), b AS (SELECT * FROM sales) SELECT * FROM b": False,
        "WITH sales AS (SELECT 1 AS a) SELECT * FROM bronze.sales": True,
        "SELECT (WITH sales AS (SELECT 1 AS a) SELECT a FROM sales), (SELECT count(*) FROM sales)": True,
        "WITH a AS (WITH sales AS (SELECT 1 AS x) SELECT * FROM sales) SELECT * FROM a, sales": True,
    }.items():
        assert bool(located(query, project.lakehouse, LAKE).tables) == read, query
    with pytest.raises(QueryError, match="a name of its own"):
        located("WITH `shop.bronze.sales` AS (SELECT 1) SELECT * FROM bronze.sales", project.lakehouse, LAKE)
    with pytest.raises(QueryError, match="no table"):
        located("SELECT * FROM `bronze.sales`", project.lakehouse, LAKE)


NESTED: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: f"SELECT {'(' * n}1{')' * n}",
    "unclosed brackets": lambda n: f"SELECT {'(' * n}",
    "sums": lambda n: f"SELECT {'+'.join(['1'] * n)}",
    "comparisons": lambda n: f"SELECT 1{' = 1' * n}",
    "NOT": lambda n: f"SELECT {'NOT ' * n}true",
    "minus": lambda n: f"SELECT {'- ' * n}1",
    "CASE": lambda n: f"SELECT {'CASE WHEN true THEN ' * n}1{' END' * n}",
    "calls": lambda n: f"SELECT {'abs(' * n}1{')' * n}",
    "arrays": lambda n: f"SELECT {'array(' * n}1{')' * n}",
    "types": lambda n: f"SELECT CAST(NULL AS {'ARRAY<' * n}INT{'>' * n})",
    "casts": lambda n: f"SELECT 1{'::int' * n}",
    "lambdas": lambda n: f"SELECT {'transform(array(1), x -> ' * n}1{')' * n}",
    "unions": lambda n: " UNION ALL ".join(["SELECT 1"] * n),
    "subqueries": lambda n: f"SELECT * FROM {'(SELECT * FROM ' * n}range(1){')' * n}",
    "joins": lambda n: f"SELECT 1 FROM range(1){' JOIN range(1)' * n}",
    "views": lambda n: f"SELECT 1 FROM range(1){' LATERAL VIEW explode(array(1)) t AS x' * n}",
    "WITH in WITH": lambda n: f"{'WITH a AS (' * n}SELECT 1{') SELECT * FROM a' * n}",
    "chains of WITH": lambda n: (
        "WITH a0 AS (SELECT 1)"
        + "".join(f", a{i} AS (SELECT * FROM a{i - 1})" for i in range(1, n))
        + f" SELECT * FROM a{n - 1}"
    ),
    "subscripts": lambda n: f"SELECT a{'[0]' * n} FROM VALUES (1) t(a)",
    "fields": lambda n: f"SELECT a{'.a' * n} FROM VALUES (1) t(a)",
    "windows": lambda n: f"SELECT {'sum(' * n}1{') OVER ()' * n}",
}


@pytest.mark.parametrize("query", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_an_error_soon(query: Callable[[int], str]) -> None:
    begun = time.monotonic()
    for levels in (600, 1200):
        assert refusal(query(levels))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("size", [LONGEST + 1, 10_000_000])
def test_a_query_of_great_length_is_refused_unread(size: int) -> None:
    assert f"{size:,} characters" in refusal(f"SELECT '{'x' * (size - 9)}'")


def test_parts_of_a_with_that_double_each_other_are_refused() -> None:
    doubled = "".join(f", a{i} AS (SELECT * FROM a{i - 1} x, a{i - 1} y)" for i in range(1, 30))
    assert "more than 300 tables" in refusal(f"WITH a0 AS (SELECT 1 AS n){doubled} SELECT * FROM a29")


def test_as_deep_as_it_may_be_a_query_runs(spark: SparkSession) -> None:
    for query in (
        f"SELECT {'+'.join(['id'] * (DEEPEST - 8))} AS n FROM range(1, 2)",
        f"SELECT count(*) AS n FROM range(300) WHERE {' OR '.join(f'id = {i}' for i in range(192))}",
        f"SELECT {'(' * 30}192{')' * 30} AS n",
        f"SELECT {'abs(' * 30}192{')' * 30} AS n",
        f"SELECT count(*) AS n FROM range(5000) WHERE id + 9808 IN ({','.join(map(str, range(10_000)))})",
    ):
        assert answer(Query(written(query), {}), spark, 9).to_pydict() == {"n": [192]}, query[:60]


def test_where_spark_itself_gives_up_it_is_the_error_of_that_query(spark: SparkSession) -> None:
    for levels, query in ((3000, NESTED["NOT"]), (3000, NESTED["sums"]), (3000, NESTED["brackets"])):
        with pytest.raises(QueryError, match=r"The query failed: \S"):
            answer(Query(query(levels), {}), spark, 1)
    assert answer(Query("SELECT 1 AS n", {}), spark, 1).to_pydict() == {"n": [1]}
