"""What is declared of an encoding is what Python decodes and Spark stores, or else the file, or its table, fails."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator

import pytest

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.encodings import CHARSETS, unlike
from lakehouse_assets_tests.engine.sources.reading import data, put, read


def sequences(name: str) -> Iterator[bytes]:
    """Each byte, each pair that begins beyond ASCII, and what an encoding has beside those."""
    yield from (bytes([a]) for a in range(1, 256))
    yield from (bytes([a, b]) for a in range(0x80, 256) for b in range(1, 256))
    if name == "euc_jp":
        yield from (bytes([0x8F, a, b]) for a in range(0xA1, 255) for b in range(0xA1, 255))
    if name == "gb18030":
        ranges = (range(0x81, 0xFF), range(0x30, 0x3A), range(0x81, 0xFF, 3), range(0x30, 0x3A))
        yield from map(bytes, itertools.product(*ranges))


def decoded(content: bytes, name: str) -> str | None:
    try:
        return content.decode(name)
    except UnicodeDecodeError:
        return None


def test_each_character_that_is_let_through_is_the_one_that_spark_stores(spark):
    spark.conf.set("spark.sql.legacy.javaCharsets", "true")
    spark.conf.set("spark.sql.legacy.codingErrorAction", "true")
    told, asked = {}, []
    for name, charset in CHARSETS.items():
        if name.startswith("utf-"):
            continue
        texts = {s: text for s in sequences(name) if (text := decoded(s, name)) is not None}
        good = [s for s, text in texts.items() if unlike(name, text, s) is None]
        told[name] = "\n".join(texts[s] for s in good)
        asked.append((name, charset.java, b"\n".join(good)))
    frame = spark.createDataFrame(asked, "name string, java string, content binary")
    found = dict(frame.selectExpr("name", "decode(content, java)").collect())
    assert {name for name in told if found[name] != told[name]} == set()
    assert len(told) == 55


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp932", "№①㈱～―"),
        ("shift_jis", "〜日本"),
        ("euc_jp", "日本~〜"),
        ("gbk", "中文"),
        ("gb18030", "中𠀀文"),
        ("cp950", "台北€"),
        ("big5", "台北／"),
        ("cp949", "똠방각하"),
        ("euc-kr", "한국"),
        ("mac-cyrillic", "Ґанок"),
        ("mac-roman", "Zürich"),
        ("cp437", "Zürich"),
        ("cp858", "5 €"),
        ("iso8859-15", "5 €"),
        ("koi8-u", "Київ"),
        ("tis-620", None),
        ("shift_jis_2004", None),
        ("iso2022_jp", None),
        ("cp037", None),
        ("mac-romanian", None),
        ("rot13", None),
    ],
)
def test_a_declared_encoding_is_read_as_python_reads_it_or_refused(spark, tmp_path, encoding, text):
    if text is None:
        put(tmp_path, "1.csv", "a\n1\n")
        with pytest.raises(SourceError, match=r"say one of ascii, utf-8.*cp1252.*cp932"):
            read(spark, tmp_path, files("*.csv", encoding=encoding))
        return
    put(tmp_path, "1.csv", f"{text},b\n{text},{text}\n".encode(encoding))
    assert [tuple(r.values()) for r in data(read(spark, tmp_path, files("*.csv", encoding=encoding)))] == [(text, text)]


@pytest.mark.parametrize(
    ("encoding", "content", "character"),
    [
        ("shift_jis", "―".encode("shift_jis"), "―"),
        ("cp932", b"\xa0", "\uf8f0"),
        ("euc_jp", b"\x8f\xa2\xb7", "~"),
        ("big5", b"\xa1\xfe", "／"),
        ("mac-cyrillic", b"\xff", "€"),
    ],
)
def test_a_character_that_spark_reads_otherwise_fails_its_file(spark, tmp_path, encoding, content, character):
    put(tmp_path, "1.csv", b"a,b\n" + b"1,2\n" * 30_000 + b"3," + content + b"\n")
    put(tmp_path, "2.csv", b"a,b\n1,2\n")
    for kind in ("csv", "jsonl"):
        put(tmp_path, f"1.{kind}.x", b'{"a": "1"}\n' * 20_000 + b'{"a": "' + content + b'"}\n')
    reading = read(spark, tmp_path, files("*.csv", encoding=encoding))
    assert data(reading) == [{"a": "1", "b": "2"}]
    assert (
        reading.failed[str(tmp_path / "1.csv")]
        == f"it has {character!r}, which Spark reads otherwise in {encoding}; land it as UTF-8"
    )
    assert read(spark, tmp_path, files("*.jsonl.x", "jsonl", encoding=encoding)).failed


@pytest.mark.parametrize(
    ("content", "encoding", "remedy"),
    [
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-8", "UTF-16LE"),
        ("a,b\n1,2\n".encode("utf-16-be"), "UTF-8", "UTF-16BE"),
        ("a,b\n1,2\n".encode("utf-16-be"), "cp1252", "UTF-16BE"),
        (b"a,b\n1,2\x00\n", "UTF-8", "NUL"),
        (b"a,b\n" + b"1,2\n" * 50_000 + b"1,\x00\n", "UTF-8", "near position 200006"),
        (codecs.BOM_UTF16_LE + "a,b\n1,2\n".encode("utf-16-le"), "latin1", "encoding='UTF-16'"),
        (codecs.BOM_UTF16_LE + "a,b\n1,2\n".encode("utf-16-le"), "UTF-16BE", "encoding='UTF-16'"),
        (codecs.BOM_UTF32_BE + "a,b\n1,2\n".encode("utf-32-be"), "UTF-8", "encoding='UTF-32'"),
        (codecs.BOM_UTF32_LE + "a,b\n1,2\n".encode("utf-32-le"), "UTF-16", "encoding='UTF-32'"),
        (codecs.BOM_UTF8 + "a,b\n1,é\n".encode(), "cp1252", "encoding='UTF-8'"),
        (b"a,b\n1,\x81\n", "cp1252", "not valid cp1252"),
    ],
)
def test_bytes_of_another_encoding_fail_their_file_and_name_what_to_declare(spark, tmp_path, content, encoding, remedy):
    put(tmp_path, "1.csv", content)
    reading = read(spark, tmp_path, files("*.csv", encoding=encoding))
    assert reading.df is None
    assert remedy in reading.failed[str(tmp_path / "1.csv")]
    assert reading.added == {}


def test_a_control_character_names_no_column_in_any_format(spark, tmp_path):
    import pyarrow as pa
    from pyarrow import orc, parquet

    put(tmp_path, "1.jsonl", '{"a\\u0000b": "1", "c\\u007f": "2", "\\u009fd": "3"}\n')
    table = pa.table({"a\x01b": [1], "c\x7f": [2]})
    parquet.write_table(table, tmp_path / "1.parquet")
    orc.write_table(table, str(tmp_path / "1.orc"))
    put(tmp_path, "1.csv", 'a\x1bb,"c\x01"\n1,2\n')
    for kind, names in {
        "jsonl": {"a_b", "c_", "_d"},
        "parquet": {"a_b", "c_"},
        "orc": {"a_b", "c_"},
        "csv": {"a_b", "c_"},
    }.items():
        assert set(data(read(spark, tmp_path, files(f"*.{kind}", kind)))[0]) == names, kind  # type: ignore[arg-type]
