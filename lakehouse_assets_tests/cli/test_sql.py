"""`lakehouse sql` prints the rows it's asked for, and says in one line what it refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets_tests.cli.command import Command


@pytest.fixture
def sales(command: Command) -> Command:
    command.project.bronze("sales")
    write_deltalake(command.project.lake.table("shop.bronze.sales").path, pa.table({"id": range(60)}))
    return command


def test_the_rows_are_printed_up_to_a_number(sales: Command) -> None:
    said = sales("sql", "SELECT id + 1000 AS n FROM bronze.sales ORDER BY n", "--rows", "2")
    assert (said.code, said.err) == (0, "")
    assert [word for word in said.out.split() if word.isdigit()] == ["1000", "1001"]
    assert "the first 2; more with --rows" in said.out
    assert "more with" not in sales("sql", "SELECT id FROM sales", "--rows", "60").out


@pytest.mark.parametrize(
    ("query", "error"),
    {
        "SELECT reflect('java.lang.System', 'getenv', 'HOME')": "'reflect' isn't among the functions",
        "SELECT TRANSFORM(id) USING 'id' FROM sales": "The query contains TRANSFORM … USING",
        "WITH `text./etc/passwd` AS (SELECT 1) SELECT * FROM text.`/etc/passwd`": "'text./etc/passwd', which is no",
        "DROP TABLE bronze.sales": "Only queries are run here",
        "SHOW TABLES": "Only queries are run here",
        "SELECT nothing FROM bronze.sales": "The query failed: [UNRESOLVED_COLUMN",
        "SELECT FROM WHERE": "The query",
        "SELECT " + "(" * 5000: "nested too deeply",
    }.items(),
)
def test_what_it_refuses_is_one_line(sales: Command, query: str, error: str) -> None:
    said = sales("sql", query)
    assert (said.code, said.err) == (1, "")
    assert error in " ".join(said.out.split())


def test_a_table_that_is_not_built_is_told(command: Command) -> None:
    command.project.bronze("sales")
    said = command("sql", "SELECT * FROM bronze.sales")
    assert said.code == 1
    assert "shop.bronze.sales isn't built yet; `lakehouse run shop.bronze.sales` builds it" in " ".join(
        said.out.split()
    )
