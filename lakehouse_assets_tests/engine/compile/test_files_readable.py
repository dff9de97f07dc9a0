"""A file that can't be read isn't green: the check `files_readable` names it until a better version has come."""

from __future__ import annotations

import re

import dagster as dg
import pytest

from lakehouse_assets.cli import look
from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets_tests.project import Project


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "files_readable"]
    return found


def of_checks_alone(project: Project) -> dg.AssetCheckEvaluation:
    """What a run of the check alone says of `bronze.orders`."""
    key = dg.AssetCheckKey(dg.AssetKey(["shop", "bronze", "orders"]), "files_readable")
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks(key))
    made = dg.Definitions.merge(project.definitions(), dg.Definitions(jobs=[alone]))
    return check(made.resolve_job_def("alone").execute_in_process(raise_on_error=False))


def test_a_file_that_cant_be_read_fails_the_check_until_it_is_corrected(project):
    project.bronze("orders")
    project.land("orders/bad|1.csv", "<html>\n")
    first = project.by_dagster("bronze.orders")  # there isn't a table yet
    assert first.success
    assert (check(first).passed, check(first).severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "orders/bad|1.csv: it's a page of HTML" in (check(first).description or "")
    project.land("orders/good.csv", "a\n1\n")
    second = check(project.by_dagster("bronze.orders"))
    assert (second.passed, second.metadata["failed"].value) == (False, 1)
    assert "| orders/bad\\|1.csv | it's a page of HTML" in str(second.metadata["files"].value)
    assert not check(project.by_dagster("bronze.orders")).passed  # with nothing new
    assert not of_checks_alone(project).passed
    project.land("orders/bad|1.csv", "a\n2\n")
    assert check(project.by_dagster("bronze.orders")).passed
    assert of_checks_alone(project).passed
    assert check(project.by_dagster("bronze.orders")).passed


def test_of_many_files_that_cant_be_read_the_first_twenty_are_named(project):
    project.bronze("orders")
    for number in range(23):
        project.land(f"orders/{number:02}.csv", b"PK\x03\x04")
    found = check(project.by_dagster("bronze.orders"))
    assert found.metadata["failed"].value == 23
    assert "the first 20 of 23" in (found.description or "")
    assert str(found.metadata["files"].value).count("a zip archive") == 20
    assert "orders/20.csv" not in (found.description or "")


def test_rows_with_rescued_values_are_counted_by_table_and_by_version_of_a_file(project, monkeypatch):
    project.bronze("orders")
    path = project.land("orders/1.csv", "a,b\n1,2\n3\n4,5,6\n")
    project.land("orders/2.csv", "a,b\n1,2\n")
    project.run("bronze.orders")
    project.land("orders/1.csv", "a,b\n7\n")
    project.run("bronze.orders")
    log = project.log("bronze.orders")
    assert (log.rows, log.rescued) == (5, 3)
    assert log.rescued_by_file([path, "it's not there"]) == {(path, 1): 2, (path, 2): 1}
    monkeypatch.setattr(look, "open_lakehouse", lambda: project.lakehouse)
    monkeypatch.setattr(look, "open_lake", lambda _: project.lake)
    with look.console.capture() as shown:
        look.tables()
        look.files("bronze.orders", rows=50, failed=False)
    lines = [line.split() for line in shown.get().splitlines()]
    assert [line[:4] for line in lines if "shop.bronze.orders" in line] == [["shop.bronze.orders", "5", "3", "0.0"]]
    told = [line[line.index("done") :] for line in lines if "done" in line]
    assert told == [["done", "1", "3", "2", "16"], ["done", "2", "1", "1", "6"], ["done", "1", "1", "0", "8"]]


@pytest.mark.parametrize(
    ("options", "rule", "problem"),
    [
        ("encoding='shift_jis_2004'", "", "encoding='shift_jis_2004' can't be used"),
        ("encoding='UTF-9'", "", "encoding='UTF-9' is not known"),
        (
            "",
            "expect=[warn('a > 1', name='files_readable')],",
            "two expectations or checks are called 'files_readable'",
        ),
    ],
)
def test_what_cannot_be_read_or_checked_is_told_of_the_declaration(project, options, rule, problem):
    project.table(
        "bronze.orders",
        f"""
        @table(landed=files("orders/*", {options}), {rule})
        def orders(landed: DataFrame) -> DataFrame:
            return landed
        """,
    )
    with pytest.raises(DeclarationError, match=re.escape(problem)):
        _ = project.lakehouse
