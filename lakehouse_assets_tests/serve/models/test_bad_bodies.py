"""What doesn't fit is refused with a 4xx whose message names the field and the reason."""

from __future__ import annotations

import json

import pytest

from lakehouse_assets_tests.serve.models.echo import Echo
from lakehouse_assets_tests.serve.models.in_process import Ask, asking
from lakehouse_assets_tests.serve.models.shelf import JSON, Answer, Shelf, columns

CSV = "text/csv"
TYPES = {
    "whole": "long",
    "small": "integer",
    "real": "double",
    "short": "float",
    "flag": "boolean",
    "name": "string",
    "at": "datetime",
    "raw": "binary",
    "maybe": "double?",
}
ROW = {
    "whole": 2**62,
    "small": -7,
    "real": 0.1,
    "short": 1.5,
    "flag": True,
    "name": "é ☃",
    "at": "2024-02-29T12:00:00.5",
    "raw": "aGk=",
    "maybe": None,
}


@pytest.fixture(scope="module")
def ask(shelf: Shelf) -> Ask:
    """A model of all types, that says what it was given."""
    return asking(shelf.serve(Echo(), "shop.models.echo", signature=columns(**TYPES)), body_bytes=50_000)


def of(**other: object) -> str:
    return json.dumps({"dataframe_records": [ROW, {**ROW, **other}]})


def test_every_type_reaches_the_model_as_it_was_sent(ask: Ask) -> None:
    answer = ask(of(maybe=3))
    assert answer.status == 200, answer.body
    first, second = answer.told["predictions"]
    assert json.loads(first["row"]) == {**ROW, "raw": "b'hi'", "at": "2024-02-29 12:00:00.500000", "maybe": "nan"}
    assert json.loads(second["row"])["maybe"] == 3.0
    assert json.loads(first["types"]) == [
        "int64", "int32", "float64", "float32", "bool", "object", "datetime64[ns]", "object", "float64",
    ]  # fmt: skip


def test_a_column_that_is_not_required_may_be_left_out_and_is_null(ask: Ask) -> None:
    row = {name: value for name, value in ROW.items() if name != "maybe"}
    answer = ask(json.dumps({"instances": [row]}))
    assert json.loads(answer.told["predictions"][0]["row"])["maybe"] == "nan"


VALUES = [
    ({"whole": 3.5}, "Column 'whole' takes a whole number (long), but row 2 has 3.5."),
    ({"whole": 2**63}, "but row 2 has 9223372036854775808, which is too large for it."),
    ({"whole": "3"}, "Column 'whole' takes a whole number (long), but row 2 has the text '3'."),
    ({"whole": True}, "but row 2 has true."),
    ({"whole": None}, "but row 2 has null."),
    ({"small": 2**31}, "Column 'small' takes an integer of 32 bits, but row 2 has 2147483648, which is too large"),
    ({"real": "0.1"}, "Column 'real' takes a double, but row 2 has the text '0.1'."),
    ({"real": None}, "Column 'real' takes a double, but row 2 has null."),
    ({"real": False}, "Column 'real' takes a double, but row 2 has false."),
    ({"real": [1.0]}, "Column 'real' takes a double, but row 2 has a list."),
    ({"real": {}}, "Column 'real' takes a double, but row 2 has an object."),
    ({"real": 10**400}, "which is too large for it."),
    ({"short": 1e39}, "Column 'short' takes a float, but row 2 has 1e+39, which is too large for it."),
    ({"flag": 1}, "Column 'flag' takes true or false, but row 2 has 1."),
    ({"flag": "true"}, "Column 'flag' takes true or false, but row 2 has the text 'true'."),
    ({"name": 7}, "Column 'name' takes a string, but row 2 has 7."),
    ({"name": "\ud83d"}, "in which a character is cut in half"),
    ({"at": "yesterday"}, "Column 'at' takes a datetime, but row 2 has the text 'yesterday'; send it as"),
    ({"at": "2023-02-29"}, "there is no such time"),
    ({"at": "2500-01-01"}, "none between 1678 and 2261"),
    ({"at": "2024-01-01T00:00:00Z"}, "without an offset"),
    ({"at": 1700000000}, "Column 'at' takes a datetime, but row 2 has 1700000000."),
    ({"raw": "???"}, "Column 'raw' takes a binary, but row 2 has the text '???', which isn't Base64."),
    ({"maybe": "x"}, "Column 'maybe' takes a double, but row 2 has the text 'x'."),
    ({"real": "x" * 10_000}, "but row 2 has the text 'xxx"),
    ({"real": "\x1b[2J\n"}, r"the text '\x1b[2J\n'."),
]


@pytest.mark.parametrize(("other", "reason"), VALUES, ids=[str(other)[:40] for other, _ in VALUES])
def test_a_value_of_another_type_is_refused_by_its_column_and_row(
    ask: Ask, other: dict[str, object], reason: str
) -> None:
    assert_refused(ask(of(**other)), 400, reason)


ONE = json.dumps([list(ROW.values())])
NAMES = json.dumps(list(ROW))
FORMS = [
    ("", "The body is no JSON: Expecting value at line 1, column 1."),
    ("{", "The body is no JSON"),
    ("[]", "The body has to be a JSON object with exactly one of dataframe_split"),
    ("7", "but it's 7."),
    ("{}", "but it's empty."),
    ('{"data": []}', "but it has 'data'."),
    ('{"inputs": [], "instances": []}', "but it has 'inputs', 'instances'."),
    ('{"inputs": [], "signature_name": "x"}', "The body has 'signature_name', which nothing takes"),
    ('{"inputs": [], "inputs": []}', "The name 'inputs' stands twice in one object."),
    ('{"dataframe_records": [{"real": 1, "real": 2}]}', "The name 'real' stands twice in one object."),
    ('{"dataframe_records": [{"real": NaN}]}', "The body has NaN, which is no JSON"),
    ('{"dataframe_records": [{"real": -Infinity}]}', "The body has -Infinity, which is no JSON"),
    ('{"dataframe_records": [{"real": 1e999}]}', "The columns don't fit"),
    ('{"inputs": ' + "9" * 5000 + "}", "a number of more than 4,300 digits"),
    ("[" * 20_000, "nested too deeply"),
    ('{"inputs": ' + "[" * 900 + "]" * 900 + "}", "inputs has a list as row 1"),
    ('{"dataframe_records": []}', "dataframe_records has no rows"),
    ('{"dataframe_records": [{}]}', "has no rows"),
    ('{"dataframe_records": {}}', "dataframe_records has to be a list of objects, one a row, but it's an object."),
    ('{"dataframe_records": [1]}', "dataframe_records has 1 as row 1"),
    ('{"dataframe_records": null}', "but it's null."),
    ('{"instances": []}', "instances has no rows"),
    ('{"instances": [[1, 2]]}', "instances has a list as row 1; a row is an object"),
    ('{"inputs": {}}', "inputs has no rows"),
    ('{"inputs": {"real": [1, 2], "whole": [1]}}', "inputs is ragged: 'whole' has 1 values, but 'real' has 2."),
    ('{"inputs": {"real": [1], "whole": 1}}', "inputs has 1 for 'whole'; it has to be a list"),
    ('{"inputs": "real"}', "but it's the text 'real'."),
    ('{"dataframe_split": []}', "dataframe_split has to be an object with columns and data, but it's a list."),
    ('{"dataframe_split": {"data": [[1]]}}', "dataframe_split has no columns."),
    ('{"dataframe_split": {"columns": ["a"], "data": 1}}', "data of dataframe_split has to be a list, but it's 1."),
    ('{"dataframe_split": {"columns": [1], "data": [[1]]}}', "columns has 1; the name of a column is a text."),
    ('{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', "The column 'a' stands twice in columns."),
    ('{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "Row 1 of data has 2 values, but there are 1"),
    ('{"dataframe_split": {"columns": ["a"], "data": [1]}}', "data has 1 as row 1; a row is a list"),
    ('{"dataframe_split": {"columns": ["a"], "data": []}}', "dataframe_split has no rows"),
    ('{"dataframe_split": {"columns": [], "data": [[]]}}', "dataframe_split has no rows"),
    ('{"dataframe_split": {"columns": ["a"], "data": [[1]], "index": [1, 2]}}', "index has 2 values, but data has 1"),
    ('{"dataframe_split": {"columns": ["a"], "data": [[1]], "rows": 1}}', "dataframe_split has 'rows'; it takes"),
    (f'{{"dataframe_split": {{"columns": {NAMES}, "data": {ONE}}}, "params": []}}', "params has to be an object"),
    (f'{{"dataframe_split": {{"columns": {NAMES}, "data": {ONE}}}, "params": {{"k": 1}}}}', "but the model takes none"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), FORMS, ids=[body[:60] for body, _ in FORMS])
def test_a_body_of_another_form_is_refused_with_the_reason(ask: Ask, body: str, reason: str) -> None:
    assert_refused(ask(body), 400, reason)


def test_missing_and_unknown_columns_are_named_together(ask: Ask) -> None:
    row = {**ROW, "extra": 1, "b\x00d": 2}
    del row["whole"], row["flag"]
    reason = r"the model needs 'whole', 'flag' and it doesn't take 'extra', 'b\x00d'."
    assert_refused(ask(json.dumps({"dataframe_records": [row]})), 400, reason)


def test_a_row_that_lacks_a_column_is_named(ask: Ask) -> None:
    short = {name: value for name, value in ROW.items() if name != "real"}
    assert_refused(ask(json.dumps({"dataframe_records": [ROW, short]})), 400, "Row 2 has no column 'real'.")


HEADER = ",".join(ROW) + "\n"
LINE = "1,2,0.5,1.5,TRUE,NA,2024-01-01,aGk=,\n"
SHEETS = [
    ("", "The body has no rows"),
    (HEADER, "The body has no rows"),
    (HEADER + "1,2\n", "Row 1 has 2 fields, but the header has 9."),
    ("a,a\n1,2\n", "The header has 'a' twice."),
    (HEADER + LINE.replace("0.5", "nan"), "Column 'real' takes a double, but row 1 has the text 'nan'."),
    (HEADER + LINE.replace("0.5", "1_0"), "row 1 has the text '1_0'."),
    (HEADER + LINE.replace("0.5", ""), "Column 'real' takes a double, but row 1 has null."),
    (HEADER + LINE.replace("1,2,", "1.5,2,"), "Column 'whole' takes a whole number (long), but row 1 has 1.5."),
    (HEADER + LINE.replace("TRUE", "yes"), "Column 'flag' takes true or false, but row 1 has the text 'yes'."),
    ("," + HEADER + "0," + LINE, "it doesn't take ''."),
    (HEADER + '"1', "The body is no CSV"),
]


@pytest.mark.parametrize(("body", "reason"), SHEETS, ids=[body[:60] for body, _ in SHEETS])
def test_a_sheet_that_does_not_fit_is_refused_with_the_reason(ask: Ask, body: str, reason: str) -> None:
    assert_refused(ask(body, content_type=CSV), 400, reason)


def test_a_text_in_csv_is_what_it_says_and_an_empty_field_is_null(ask: Ask) -> None:
    answer = ask("\ufeff" + HEADER + LINE, content_type=CSV)
    assert answer.status == 200, answer.body
    row = json.loads(answer.told["predictions"][0]["row"])
    assert (row["name"], row["flag"], row["maybe"]) == ("NA", True, "nan")


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("", "The content type has to be application/json or text/csv, but there is none."),
        ("text/plain", "but it's 'text/plain'."),
        ("application/vnd.apache.parquet", "but it's"),
        ("application/json; charset=latin-1", "only charset=utf-8 is known"),
        ("application/json; format=pandas-split", "only charset=utf-8 is known"),
    ],
)
def test_another_content_type_is_415(ask: Ask, content_type: str, reason: str) -> None:
    assert_refused(ask(of(), content_type=content_type), 415, reason)


def test_what_is_not_utf8_is_refused(ask: Ask) -> None:
    assert_refused(ask(b'{"inputs": "\xff"}'), 400, "The body isn't UTF-8: byte 13 fits no character.")
    assert_refused(ask(HEADER.encode() + b"\xe9", content_type=CSV), 400, "The body isn't UTF-8")
    assert_refused(ask(of().encode("utf-16")), 400, "The body isn't UTF-8")


def test_a_body_that_is_too_long_is_413_announced_or_not(ask: Ask) -> None:
    assert_refused(ask(" " * 50_001), 413, "The body is longer than 50,000 bytes.")
    announced = {"content-length": "50001"}
    assert_refused(ask("{}", **announced), 413, "longer than 50,000 bytes")
    assert_refused(ask(b" " * 30_000, b" " * 30_000), 413, "longer than 50,000 bytes")


def test_another_method_is_405_and_another_path_404(ask: Ask) -> None:
    answer = ask("", method="GET")
    assert_refused(answer, 405, "/invocations doesn't take GET; it takes POST.")
    assert answer.headers["allow"] == "POST"
    assert_refused(ask("", path="/ping"), 405, "/ping doesn't take POST")
    answer = ask("", path="/predict")
    assert answer.status == 404
    assert answer.told["error_code"] == "ENDPOINT_NOT_FOUND"


def assert_refused(answer: Answer, status: int, reason: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == JSON
    assert set(answer.told) == {"error_code", "message"}
    assert answer.told["error_code"] == "BAD_REQUEST"
    assert reason in answer.message
    assert len(answer.message) < 600
