"""What `lakehouse sql` answers: what Spark answers to the query as it was asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.query.allowed import FUNCTIONS
from lakehouse_assets.engine.query.sql_names import QueryError, answer, located
from lakehouse_assets_tests.project import Project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SALES = {
    "id": [1, 2, 3, 4, 5],
    "shop": ["a", "a", "b", "b", None],
    "day": [date(2025, 1, 30), date(2025, 1, 31), date(2025, 2, 1), date(2025, 2, 1), date(2025, 3, 1)],
    "amount": [Decimal("1.50"), Decimal("2.50"), Decimal("10.00"), Decimal("0.00"), None],
    "tags": [["x", "y"], [], ["x"], None, ["z"]],
}
SHOPS = {"shop": ["a", "b", "c"], "city": ["Bern", "Basel", "Genf"]}

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "SELECT count(*), sum(amount), count(DISTINCT shop) FROM bronze.sales": [(5, Decimal("14.00"), 2)],
    "SELECT shop, sum(amount) AS total FROM bronze.sales GROUP BY shop HAVING total > 4 ORDER BY total": [
        ("b", Decimal("10.00"))
    ],
    "SELECT city, count(id) FROM bronze.shops LEFT JOIN bronze.sales USING (shop) GROUP BY city ORDER BY 1": [
        ("Basel", 2), ("Bern", 2), ("Genf", 0),
    ],
    "SELECT h.city FROM bronze.shops h LEFT ANTI JOIN shop.bronze.sales s ON h.shop = s.shop": [("Genf",)],
    "SELECT shops.city, sales.id FROM sales JOIN shops ON sales.shop <=> shops.shop WHERE sales.id > 3": [("Basel", 4)],
    "SELECT bronze.shops.city FROM bronze.shops JOIN bronze.sales ON bronze.shops.shop = bronze.sales.shop AND "
    "id = 1": [
        ("Bern",)
    ],
    "SELECT s.id, t.city FROM sales s, shops t WHERE s.shop = t.shop AND s.id IN (SELECT max(id) FROM sales "
    "GROUP BY shop)"
    " ORDER BY id": [(2, "Bern"), (4, "Basel")],
    "SELECT city FROM shops h WHERE EXISTS (SELECT 1 FROM sales s WHERE s.shop = h.shop AND s.amount > 5)": [
        ("Basel",)
    ],
    "SELECT city, (SELECT count(*) FROM sales s WHERE s.shop = h.shop) AS n FROM shops h ORDER BY city": [
        ("Basel", 2), ("Bern", 2), ("Genf", 0),
    ],
    "SELECT id, row_number() OVER (PARTITION BY shop ORDER BY amount DESC NULLS LAST) AS r, lag(id, 1, 0) OVER "
    "w FROM sales"
    " WHERE shop IS NOT NULL WINDOW w AS (PARTITION BY shop ORDER BY id) ORDER BY id": [
        (1, 2, 0), (2, 1, 1), (3, 1, 0), (4, 2, 3),
    ],
    "SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM sales ORDER BY id LIMIT 2": [
        (1, 1), (2, 3),
    ],
    "SELECT shop, month(day) AS m, sum(id) FROM sales GROUP BY GROUPING SETS ((shop), (month(day)), ()) "
    "ORDER BY shop NULLS LAST, m NULLS LAST LIMIT 3": [("a", None, 3), ("b", None, 7), (None, 1, 3)],
    "SELECT shop, count(*) FROM sales WHERE shop IS NOT NULL GROUP BY shop WITH ROLLUP ORDER BY shop NULLS LAST": [
        ("a", 2), ("b", 2), (None, 4),
    ],
    "SELECT shop, count(*) FROM sales GROUP BY ALL ORDER BY ALL": [(None, 1), ("a", 2), ("b", 2)],
    "SELECT * FROM (SELECT shop, month(day) AS m, id FROM sales) PIVOT (count(id) FOR m IN (1 AS jan, 2 AS feb))"
    " ORDER BY shop NULLS FIRST": [(None, None, None), ("a", 2, None), ("b", None, 2)],
    "SELECT * FROM (SELECT id, id * 2 AS p, id * 3 AS q FROM sales) UNPIVOT (v FOR n IN (p AS twice, q)) WHERE "
    "id = 2": [
        (2, "twice", 4), (2, "q", 6),
    ],
    "SELECT id, tag FROM sales LATERAL VIEW explode(tags) t AS tag ORDER BY id, tag": [
        (1, "x"), (1, "y"), (3, "x"), (5, "z"),
    ],
    "SELECT id, tag FROM sales LATERAL VIEW OUTER explode(tags) t AS tag WHERE id IN (2, 4) ORDER BY id": [
        (2, None), (4, None),
    ],
    "SELECT id, l.first FROM sales, LATERAL (SELECT get(tags, 0) AS first WHERE size(tags) > 1) l": [(1, "x")],
    "WITH big AS (SELECT * FROM sales WHERE amount > 2), n(c) AS (SELECT count(*) FROM big) SELECT c FROM n": [(2,)],
    "WITH sales AS (SELECT 7 AS id) SELECT id FROM sales": [(7,)],
    "WITH s AS (SELECT * FROM sales) SELECT count(*) FROM (WITH s AS (SELECT 1) SELECT * FROM s) x, s": [(5,)],
    "SELECT id FROM sales WHERE id < 3 UNION ALL SELECT 9 EXCEPT SELECT 1 ORDER BY id": [(2,), (9,)],
    "SELECT shop FROM sales INTERSECT SELECT shop FROM shops ORDER BY 1": [("a",), ("b",)],
    "SELECT day + INTERVAL 1 DAY, day - INTERVAL '1' MONTH, date_add(day, 2), datediff(day, DATE '2025-01-01'), "
    "date_trunc('MONTH', day)::date, last_day(day), extract(YEAR FROM day) FROM sales WHERE id = 1": [
        (date(2025, 1, 31), date(2024, 12, 30), date(2025, 2, 1), 29, date(2025, 1, 1), date(2025, 1, 31), 2025)
    ],
    "SELECT CAST(TIMESTAMP '2025-01-02 00:00:00' - INTERVAL 1 DAY 2 HOURS AS STRING)": [("2024-12-31 22:00:00",)],
    "SELECT DATE '2025-01-31' + INTERVAL 1 MONTH + INTERVAL 1 DAY, dateadd(MONTH, 1, DATE '2025-01-31')::date": [
        (date(2025, 3, 1), date(2025, 2, 28))
    ],
    "SELECT id FROM sales WHERE day BETWEEN '2025-01-31' AND current_date() AND shop NOT IN ('b') ": [(2,)],
    "SELECT id FROM sales WHERE shop LIKE 'a%' AND NOT shop RLIKE '[b-z]' AND shop NOT LIKE ANY ('x', 'y') "
    "LIMIT 1": [(1,)],
    "SELECT upper(shop) || '-' || id, concat_ws('/', shop, id), regexp_replace('a1b22', '\\\\d+', '#') FROM sales "
    "WHERE id = 1": [("A-1", "a/1", "a#b#")],
    "SELECT CASE WHEN amount IS NULL THEN 'none' WHEN amount > 5 THEN 'big' ELSE 'small' END AS size, count(*) "
    "FROM sales "
    "GROUP BY 1 ORDER BY 1": [("big", 1), ("none", 1), ("small", 3)],
    "SELECT transform(tags, (t, i) -> t || i), filter(tags, t -> t <> 'x'), aggregate(tags, '', (a, t) -> a || t) "
    "FROM sales WHERE id = 1": [(["x0", "y1"], ["y"], "xy")],
    "SELECT get_json_object('{\"a\": {\"b\": 1}}', '$.a.b'), from_json('{\"n\": 2}', 'n INT').n, map('k', 1)['k'], "
    "named_struct('f', 3).f, to_json(struct(id)) FROM sales WHERE id = 1": [("1", 2, 1, 3, '{"id":1}')],
    "SELECT percentile(id, 0.5), median(id), approx_count_distinct(id), max_by(id, amount), "
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY id), any_value(shop) IS NOT NULL FROM sales": [
        (3.0, 3.0, 5, 3, 3.0, True)
    ],
    "SELECT count(*) FILTER (WHERE amount > 1), count_if(amount > 1), try_divide(1, 0), nullif(1, 1) FROM sales": [
        (3, 3, None, None)
    ],
    "SELECT try_cast('x' AS INT), '12'::int + 1, -1::string || '0', 7 DIV 2, 7 % 4, 2L, 1.5BD * 2, 3 | 4, 6 ^ "
    "3, 1 << 4": [
        (None, 13, "-10", 3, 3, 2, Decimal("3.0"), 7, 5, 16)
    ],
    "SELECT a.x + b.y FROM VALUES (1, 2), (3, 4) AS a(x, y) JOIN VALUES (2, 10) AS b(x, y) ON a.y = b.x": [(11,)],
    "SELECT array(1, 2)[1], sum(id) FROM range(1, 4) AS r(id)": [(2, 6)],
    "SELECT * EXCEPT (day, amount, tags) FROM sales WHERE id = 5": [(5, None)],
    "FROM sales SELECT id WHERE id = 3": [(3,)],
    "SELECT id -- the key\nFROM sales /* of /* all */ shops */ WHERE id = 4;": [(4,)],
    "SELECT count(*) FROM sales TABLESAMPLE (100 PERCENT)": [(5,)],
    "SELECT count(*) FROM bronze.sales VERSION AS OF 0": [(2,)],
    "SELECT n.id FROM sales n LEFT ANTI JOIN sales VERSION AS OF 0 AS o ON n.id = o.id ORDER BY n.id": [
        (3,), (4,), (5,)
    ],
    "SELECT count(*) FROM sales FOR VERSION AS OF 1": [(5,)],
    "SELECT stack(2, 1, 'a', 2, 'b') AS (n, s)": [(1, "a"), (2, "b")],
}  # fmt: skip


@pytest.fixture
def shop(project: Project) -> Project:
    """Sales, of which the first two were there before the others, and shops."""
    for name, data in (("sales", SALES), ("shops", SHOPS)):
        project.bronze(name)
        rows = pa.table(data)
        for part in (rows.slice(0, 2), rows.slice(2)):
            write_deltalake(project.lake.table(f"shop.bronze.{name}").path, part, mode="append")
    return project


def test_queries_of_analysts_get_their_answers(shop: Project, spark: SparkSession) -> None:
    lakehouse = shop.lakehouse
    for query, expected in ANSWERS.items():
        found = answer(located(query, lakehouse, shop.lake), spark, 100)
        assert [tuple(column[i].as_py() for column in found.columns) for i in range(found.num_rows)] == expected, query
    assert not any(table.name.startswith("shop.bronze.") for table in spark.catalog.listTables())


def test_a_table_as_it_was_at_a_time(shop: Project, spark: SparkSession) -> None:
    path = shop.lake.table("shop.bronze.sales").path
    first = min(commit["timestamp"] for commit in DeltaTable(path).history())
    at = f"{pa.scalar(first, pa.timestamp('ms')).as_py():%Y-%m-%d %H:%M:%S.%f}"
    query = f"SELECT count(*) AS n FROM sales TIMESTAMP AS OF '{at}'"
    assert answer(located(query, shop.lakehouse, shop.lake), spark, 1).to_pydict() == {"n": [2]}
    for version in ("VERSION AS OF 1 + 1", "TIMESTAMP AS OF current_timestamp()"):
        with pytest.raises(QueryError, match="An older version is asked for as"):
            located(f"SELECT * FROM sales {version}", shop.lakehouse, shop.lake)
    with pytest.raises(QueryError, match="DELTA_VERSION_NOT_FOUND"):
        answer(located("SELECT * FROM sales VERSION AS OF 9", shop.lakehouse, shop.lake), spark, 1)


def test_sparks_own_examples_mean_the_same(spark: SparkSession) -> None:
    """The names that Spark gives to the columns of a result spell out what it understood."""
    asked = sorted({example for example in _examples(spark) if _is_taken(example)})
    assert len(asked) > 900
    groups = [asked[at : at + 40] for at in range(0, len(asked), 40)]
    with ThreadPoolExecutor(4) as pool:
        ours = pool.map(lambda group: _columns([_written(query) for query in group], spark), groups)
        theirs = pool.map(lambda group: _columns(group, spark), groups)
        for mine, spark_s in zip(ours, theirs, strict=True):
            assert mine == spark_s


def _is_taken(query: str) -> bool:
    """Whether it's an example of what a query may contain.

    `>>>` and the space in `X '1F'` aren't parsed; `POSITION(a IN b)` and `substr(a FROM b)`, to Spark, are called
    `locate` and `substring`.
    """
    if re.search(r">>>|X '|^SET|POSITION\('bar' IN|substr\(.* FROM", query):
        return False
    try:
        return bool(_written(query))
    except QueryError as error:
        if "isn't among the functions" in str(error):
            return False
        raise


def _written(query: str) -> str:
    return located(query, Lakehouse({}, {}), None).text  # type: ignore[arg-type]  # no table of the lake is read


def _examples(spark: SparkSession) -> list[str]:
    """The queries in the documentation of the functions."""
    with ThreadPoolExecutor(4) as pool:
        described = pool.map(
            lambda name: spark.sql(f"DESCRIBE FUNCTION EXTENDED {name}").collect(),
            sorted(FUNCTIONS - {"timestampadd", "timestampdiff"}),
        )
        texts = ["\n".join(str(row[0]) for row in rows) for rows in described]
    return [query for text in texts for query in re.findall(r"^\s*> (.*);\s*$", text, re.MULTILINE)]


def _columns(queries: Sequence[str], spark: SparkSession) -> list[str]:
    """Name and type of each column of the queries, by one analysis."""
    joined = spark.sql("SELECT * FROM " + " CROSS JOIN ".join(f"({query})" for query in queries))
    return [f"{field.name.lower()} {field.dataType.simpleString()}" for field in joined.schema.fields]
