"""Why a write failed is told in one line: the value, the expectation, the Python function or the disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.errors.exceptions.connect import SparkException

from lakehouse_assets.engine.errors import WriteFailed
from lakehouse_assets.engine.spark_errors.causes import cause_of, remedy_for
from lakehouse_assets_tests.project import Project

SILVER = """
@F.udf("int")
def strictly(code):
    if code == "abc":
        raise ValueError(f"no number: {{code}}")
    return int(code)

@table(raw="bronze.codes", columns=[Column("id", "int"), Column("code", "{kind}"), Column("at", "int")],
       expect=[drop("id > 0"), {rule}], write={write})
def {name}(raw: DataFrame) -> DataFrame:
    return raw.select(F.col("id").cast("int").alias("id"), {code}, F.lit(1).alias("at"))
"""
MALFORMED = r"\[CAST_INVALID_INPUT\] The value 'abc' .*typed\("
# What can't be computed of the row with `abc` or with 0, by what makes it, and what is told of it.
FAULTS = {
    "a cast": ("CAST(code AS INT) AS code", "int", 'drop("code >= 0")', MALFORMED),
    "a division": (
        "int(100 / (length(code) - 3)) AS code", "int", 'drop("code IS NOT NULL")',
        r"\[DIVIDE_BY_ZERO\] Division by zero \(in `.*100 / \(length\(code\) - 3\)",
    ),
    "a rule that can't be computed": (
        "code", "string", 'drop("CAST(code AS INT) > 0", name="positive")',
        r"expectation 'positive' \(CAST\(code AS INT\) > 0\) can't be judged: .*'abc'",
    ),
    "a Python function": (
        'strictly("code").alias("code")', "int", 'drop("code > 0")',
        "a Python function raised ValueError: no number: abc",
    ),
}  # fmt: skip


def declared(name: str, write: str, code: str, kind: str, rule: str = 'warn("id > 1")') -> str:
    column = code if "(" in code and " AS " not in code else f"F.expr({code!r})"
    return SILVER.format(name=name, write=write, code=column, kind=kind, rule=rule)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_computed_is_told_with_its_value_however_it_is_written(project: Project, fault: str) -> None:
    code, kind, rule, told = FAULTS[fault]
    written = {"added": "append()", "merged": 'merge(on="id", newest="at")'}
    project.bronze("codes")
    project.land("codes/1.csv", "id,code\n1,7\n")
    project.run("bronze.codes")
    for name, write in written.items():
        project.table(f"silver.{name}", declared(name, write, "int(id) AS code" if kind == "int" else "code", kind))
        project.run(f"silver.{name}")
    project.land("codes/2.csv", "id,code\n2,8\n3,abc\n")
    project.run("bronze.codes")
    for name, write in written.items():
        project.table(f"silver.{name}", declared(name, write, code, kind, rule))
        with pytest.raises(WriteFailed, match=rf"^Writing shop\.silver\.{name}: .*{told}") as failed:
            project.run(f"silver.{name}")
        assert "\n" not in str(failed.value)
        assert len(project.rows(f"silver.{name}")) == 1


def test_a_folder_that_cannot_be_written_to_is_told_of(project: Project) -> None:
    project.bronze("codes")
    project.table("silver.codes", declared("codes", "append()", "code", "string"))
    project.land("codes/1.csv", "id,code\n1,7\n")
    project.run("bronze.codes")
    Path(f"{project.lake.root}/shop/silver").write_text("not a folder")
    with pytest.raises(WriteFailed, match=r"Cannot create file:.*not a directory.*; give the Spark engine's user"):
        project.run("silver.codes")


# As Spark Connect 4.0.5 has them of a task that wrote to a disk that was full, its frames left out.
FULL = """org.apache.spark.SparkException
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailedWhileWritingRowsError(QueryExecutionErrors.scala:765)
Caused by: org.apache.parquet.util.AutoCloseables$ParquetCloseResourceException: Unable to close resource
\tat org.apache.parquet.util.AutoCloseables.close(AutoCloseables.java:84)
Caused by: org.apache.hadoop.fs.FSError: java.io.IOException: {why}
\tat org.apache.hadoop.fs.RawLocalFileSystem$LocalFSFileOutputStream.write(RawLocalFileSystem.java:347)
Caused by: java.io.IOException: {why}
\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)"""


@pytest.mark.parametrize("why", ["No space left on device", "Read-only file system", "Permission denied"])
def test_a_disk_that_refuses_is_named_with_its_reason_and_a_remedy(why: str) -> None:
    message = "[TASK_WRITE_FAILED] Task failed while writing rows to file:/lake/shop/silver/codes. SQLSTATE: 58030"
    error = SparkException(message, "TASK_WRITE_FAILED", {}, server_stacktrace=FULL.format(why=why))
    assert cause_of(error) == f"java.io.IOException: {why} (file:/lake/shop/silver/codes)"
    assert re.match("free some space|mount it|give the user", remedy_for(cause_of(error)))
