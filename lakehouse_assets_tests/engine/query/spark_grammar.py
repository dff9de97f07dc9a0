"""What Spark's SQL has: a statement of each kind that isn't a query, and its functions that a query may not call."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path

import pyspark

# By the names that Spark's grammar gives to the alternatives of its rules.
STATEMENTS = {
    "AddTableColumns": "ALTER TABLE t ADD COLUMNS (c INT)",
    "AddTablePartition": "ALTER TABLE t ADD PARTITION (p = 1)",
    "AlterClusterBy": "ALTER TABLE t CLUSTER BY (c)",
    "AlterTableAlterColumn": "ALTER TABLE t ALTER COLUMN c TYPE BIGINT",
    "AlterTableCollation": "ALTER TABLE t DEFAULT COLLATION UTF8_LCASE",
    "AlterViewQuery": "ALTER VIEW v AS SELECT 1",
    "AlterViewSchemaBinding": "ALTER VIEW v WITH SCHEMA EVOLUTION",
    "Analyze": "ANALYZE TABLE t COMPUTE STATISTICS",
    "AnalyzeTables": "ANALYZE TABLES IN d COMPUTE STATISTICS",
    "CacheTable": "CACHE TABLE t AS SELECT 1",
    "Call": "CALL system.f(1)",
    "ClearCache": "CLEAR CACHE",
    "CommentNamespace": "COMMENT ON DATABASE d IS 'x'",
    "CommentTable": "COMMENT ON TABLE t IS 'x'",
    "CreateFunction": "CREATE FUNCTION f AS 'a.B' USING JAR '/a.jar'",
    "CreateIndex": "CREATE INDEX i ON t (c)",
    "CreateNamespace": "CREATE DATABASE d LOCATION '/tmp/d'",
    "CreateTable": "CREATE TABLE t USING csv LOCATION '/etc' AS SELECT 1 AS a",
    "CreateTableLike": "CREATE TABLE t LIKE u",
    "CreateTempViewUsing": "CREATE TEMPORARY VIEW v USING csv OPTIONS (path '/etc/passwd')",
    "CreateUserDefinedFunction": "CREATE TEMPORARY FUNCTION f() RETURNS STRING RETURN reflect('a', 'b')",
    "CreateVariable": "DECLARE VARIABLE v INT DEFAULT 1",
    "CreateView": "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
    "DescribeFunction": "DESCRIBE FUNCTION EXTENDED abs",
    "DescribeNamespace": "DESCRIBE DATABASE d",
    "DescribeQuery": "DESCRIBE QUERY SELECT 1",
    "DescribeRelation": "DESCRIBE TABLE EXTENDED t",
    "DmlStatement": "INSERT INTO t SELECT 1",
    "DropFunction": "DROP FUNCTION f",
    "DropIndex": "DROP INDEX i ON t",
    "DropNamespace": "DROP DATABASE d CASCADE",
    "DropTable": "DROP TABLE t PURGE",
    "DropTableColumns": "ALTER TABLE t DROP COLUMNS (c)",
    "DropTablePartitions": "ALTER TABLE t DROP PARTITION (p = 1)",
    "DropVariable": "DROP TEMPORARY VARIABLE v",
    "DropView": "DROP VIEW v",
    "Explain": "EXPLAIN SELECT 1",
    "FailNativeCommand": "GRANT SELECT ON t TO u",
    "FailSetRole": "SET ROLE admin",
    "HiveChangeColumn": "ALTER TABLE t CHANGE COLUMN c c BIGINT",
    "HiveReplaceColumns": "ALTER TABLE t REPLACE COLUMNS (c INT)",
    "LoadData": "LOAD DATA LOCAL INPATH '/etc/passwd' INTO TABLE t",
    "ManageResource": "ADD JAR '/tmp/a.jar'",
    "RecoverPartitions": "ALTER TABLE t RECOVER PARTITIONS",
    "RefreshFunction": "REFRESH FUNCTION f",
    "RefreshResource": "REFRESH '/tmp'",
    "RefreshTable": "REFRESH TABLE t",
    "RenameTable": "ALTER TABLE t RENAME TO u",
    "RenameTableColumn": "ALTER TABLE t RENAME COLUMN c TO d",
    "RenameTablePartition": "ALTER TABLE t PARTITION (p = 1) RENAME TO PARTITION (p = 2)",
    "RepairTable": "MSCK REPAIR TABLE t",
    "ReplaceTable": "CREATE OR REPLACE TABLE t AS SELECT 1 AS a",
    "ResetConfiguration": "RESET",
    "ResetQuotedConfiguration": "RESET `spark.x`",
    "SetCatalog": "SET CATALOG c",
    "SetConfiguration": "SET spark.sql.runSQLOnFiles=true",
    "SetNamespaceLocation": "ALTER DATABASE d SET LOCATION '/tmp'",
    "SetNamespaceProperties": "ALTER DATABASE d SET DBPROPERTIES ('a' = 'b')",
    "SetQuotedConfiguration": "SET `spark.x` = `y`",
    "SetTableLocation": "ALTER TABLE t SET LOCATION '/tmp'",
    "SetTableProperties": "ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')",
    "SetTableSerDe": "ALTER TABLE t SET SERDE 'a.B'",
    "SetTimeZone": "SET TIME ZONE 'UTC'",
    "SetVariable": "SET VARIABLE v = 1",
    "ShowCatalogs": "SHOW CATALOGS",
    "ShowColumns": "SHOW COLUMNS IN t",
    "ShowCreateTable": "SHOW CREATE TABLE t",
    "ShowCurrentNamespace": "SHOW CURRENT DATABASE",
    "ShowFunctions": "SHOW FUNCTIONS",
    "ShowNamespaces": "SHOW DATABASES",
    "ShowPartitions": "SHOW PARTITIONS t",
    "ShowTableExtended": "SHOW TABLE EXTENDED LIKE '*'",
    "ShowTables": "SHOW TABLES",
    "ShowTblProperties": "SHOW TBLPROPERTIES t",
    "ShowViews": "SHOW VIEWS",
    "TruncateTable": "TRUNCATE TABLE t",
    "UncacheTable": "UNCACHE TABLE t",
    "UnsetNamespaceProperties": "ALTER DATABASE d UNSET DBPROPERTIES ('a')",
    "UnsetTableProperties": "ALTER TABLE t UNSET TBLPROPERTIES ('a')",
    "Use": "USE d",
    "UseNamespace": "USE DATABASE d",
    "VisitExecuteImmediate": "EXECUTE IMMEDIATE 'DROP TABLE t'",
    # of dmlStatementNoWith
    "DeleteFromTable": "DELETE FROM t WHERE true",
    "InsertIntoReplaceWhere": "INSERT INTO t REPLACE WHERE a = 1 SELECT 1",
    "InsertIntoTable": "WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c",
    "InsertOverwriteDir": "INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1",
    "InsertOverwriteHiveDir": "INSERT OVERWRITE LOCAL DIRECTORY '/tmp/x' STORED AS TEXTFILE SELECT 1",
    "InsertOverwriteTable": "INSERT OVERWRITE TABLE t SELECT 1",
    "MergeIntoTable": "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
    "MultiInsertQuery": "FROM t INSERT INTO u SELECT a INSERT INTO v SELECT b",
    "SingleInsertQuery": "INSERT INTO t VALUES (1)",
    "UpdateTable": "UPDATE t SET a = 1",
}
_RULES = {"StatementContext", "SetResetStatementContext", "DmlStatementNoWithContext", "InsertIntoContext"}
_QUERIES = {"StatementDefault"}

# Functions that Spark has, and why a query may not call them.
REFUSED = {
    "runs any code of the JVM": "java_method reflect try_reflect",
    "may be told a path or URL to read": """
        from_avro schema_of_avro to_avro from_protobuf to_protobuf from_xml schema_of_xml to_xml
        xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string
        table_changes table_changes_by_path""",
    "tells of the engine, or where files are": "version input_file_name input_file_block_start input_file_block_length",
}
OPERATORS = "! != % & * + - / < << <= <=> <> = == > >= >> >>> ^ and between case cast div in not or | || ~"


def alternatives() -> set[str]:
    """The kinds of statement that the grammar of this Spark has, from the classes of its parser."""
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("spark-sql-api_*.jar")
    with zipfile.ZipFile(jar) as classes:
        names = [n for n in classes.namelist() if re.search(r"SqlBaseParser\$\w+Context\.class$", n)]
        parents = {_own(n): _superclass(classes.read(n)) for n in names}
    found = {name for name, parent in parents.items() if parent in _RULES and name not in _RULES}
    return {name.removesuffix("Context") for name in found} - _QUERIES


def _own(path: str) -> str:
    return path.rsplit("$", 1)[1].removesuffix(".class")


def _superclass(code: bytes) -> str:
    """The name of the class that a compiled class extends (Java Virtual Machine Specification, 4.1 and 4.4)."""
    sizes = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4}
    (count,), at, index = struct.unpack_from(">H", code, 8), 10, 1
    texts: dict[int, str] = {}
    classes: dict[int, int] = {}
    while index < count:
        tag = code[at]
        if tag == 1:
            (length,) = struct.unpack_from(">H", code, at + 1)
            texts[index] = code[at + 3 : at + 3 + length].decode("utf-8", "replace")
            at += 3 + length
        else:
            if tag == 7:
                (classes[index],) = struct.unpack_from(">H", code, at + 1)
            at += 1 + sizes[tag]
        index += 2 if tag in (5, 6) else 1
    (parent,) = struct.unpack_from(">H", code, at + 4)
    return _own(texts[classes[parent]] + ".class") if "$" in texts[classes[parent]] else texts[classes[parent]]
