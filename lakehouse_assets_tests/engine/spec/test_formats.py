"""A source has the options of its format and no others, and an editor is told of all of them."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.spec.declare import extract, files, http
from lakehouse_assets.engine.spec.formats import Csv, Json, JsonLines, Orc, Parquet
from lakehouse_assets.engine.spec.inputs import AzureSql, Files, Http, Intake
from lakehouse_assets.engine.spec.options import FileOptions, HttpOptions, IntakeOptions
from lakehouse_assets_tests.project import Project


def names(kind: type[Any]) -> set[str]:
    return {field.name for field in fields(kind)} - {"name", "urls"}


def test_the_options_of_each_word_are_those_of_what_it_makes() -> None:
    assert set(get_type_hints(IntakeOptions)) == names(Intake)
    assert set(get_type_hints(FileOptions)) == names(Intake) | names(Csv) | names(Json) | names(JsonLines)
    assert set(get_type_hints(HttpOptions)) == set(get_type_hints(FileOptions)) | names(Http)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (files("a"), Files("a", Csv())),
        (files("a", delimiter=";", evolve="fail"), Files("a", Csv(delimiter=";"), Intake(evolve="fail"))),
        (files("a", "jsonl", encoding="cp1252"), Files("a", JsonLines("cp1252"))),
        (files("a", format="orc", files_per_batch=3), Files("a", Orc(), Intake(files_per_batch=3))),
        (
            http("https://a.example/x", format="json", pages=True, evolve="rescue").to("t"),
            Files("t/**", Json(), Intake("rescue"), Http(("https://a.example/x",), pages=True)),
        ),
        (
            extract("SELECT 1", "s", "d", afterwards="delete").to("t"),
            Files("t/**", Parquet(), Intake(afterwards="delete"), AzureSql("SELECT 1", "s", "d")),
        ),
    ],
)
def test_a_source_says_who_delivers_in_what_format_and_how_it_is_taken_in(given: Files, expected: Files) -> None:
    assert given == expected


@pytest.mark.parametrize(
    ("format", "options", "refused"),
    [
        ("json", {"delimiter": ";"}, "files of the format json have no delimiter; their options are encoding, afterw"),
        ("parquet", {"encoding": "cp1252"}, "files of the format parquet have no encoding; their options are after"),
        ("csv", {"separator": ";"}, "files of the format csv have no separator; their options are encoding, delim"),
        ("xlsx", {}, "format='xlsx' is none; there are csv, jsonl, json, parquet, avro, orc"),
    ],
)
def test_an_option_that_the_format_lacks_is_refused_with_those_that_it_has(
    format: Any, options: dict[str, Any], refused: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(refused)):
        files("a", format, **options)
    if "separator" not in options:
        with pytest.raises(TypeError, match=re.escape(refused)):
            http("https://a.example", format=format, **options)


def test_such_a_source_costs_its_table_and_is_told_with_file_and_line(project: Project) -> None:
    project.bronze("sound")
    project.bronze("odd", "format='json', header=False")
    found = load(project.package, strict=False)
    assert list(found.tables) == ["shop.bronze.sound"]
    (problem,) = found.problems
    assert re.search(r"bronze/odd\.py:\d+: shop\.bronze\.odd: can't be loaded \(TypeError: .* have no header", problem)
