"""JSON texts as Spark parses them, but with every number as it stands in the text.

Spark takes a number with a fraction or an exponent for a double: `1738703622.619` becomes `1.738703622619E9`, and of 30
digits 13 are lost. So in texts that have such numbers each is made a marked string first, and what was parsed is rid of
the marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Kind = Literal["map<string,string>", "array<string>", "array<map<string,string>>"]

# Spark's parser stops at the end of the first value and says nothing about what follows it: `{"a":1}{"b":2}` would
# lose b. So each value is parsed inside an object that must go on to this key.
END = "\u2402lakehouse_end"
STRICT = {"mode": "PERMISSIVE", "allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
# What stands around a number in a marked string: a noncharacter, which Unicode keeps out of texts that are exchanged.
MARK = "\ufdd0"
_ESCAPED = r"\\u[fF][dD][dD]0"
# A number that Spark would write otherwise, where a value may stand.
_NUMBER = (
    r"(?<![^\s:,\[])(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++(?:[eE][+-]?[0-9]++)?+|[eE][+-]?[0-9]++)|-0)(?=\s*+(?:[,\]}]|$))"
)
# All up to such a number, and the number: strings, what is between values, and other numbers. `\G` holds a match to the
# end of the one before. No quantifier gives back what it took: Java's engine calls itself for those that may, and a
# long string would overflow its stack.
_STRING = r'"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"'
_NEXT = rf'\G((?:{_STRING}|[^"0-9-]++|(?!{_NUMBER})[0-9-][0-9a-zA-Z.+-]*+)*+)({_NUMBER})'
# Half of a surrogate pair, which no text can hold.
_HALF = (
    "\\u",
    r"(?<!\\)(?:\\\\)*+\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)(?:\\\\)*+\\u[dD][c-fC-F]",
)


def parsed(df: DataFrame, name: str, text: Column, kind: Kind) -> DataFrame:
    """The rows with a text as `kind` in a column; null unless it is one JSON value of that kind from end to end."""
    from pyspark.sql import functions as F

    # Columns of their own, so that each is computed once for a row: in one expression Spark parses eight times.
    df = df.withColumn("__text", text).withColumn("__marked", _marked(F.col("__text")))
    wrapped = F.concat(F.lit('{"value":'), "__marked", F.lit(f',"{END}":1}}'))
    df = df.withColumn("__whole", F.from_json(wrapped, f"value {kind}, `{END}` int", STRICT))
    value = F.col("__whole.value")
    exact = F.when(F.col("__marked") != F.col("__text"), _unmarked(value, kind)).otherwise(value)
    found = F.when(F.col("__whole")[END] == 1, exact)
    return df.withColumn(name, found).drop("__text", "__marked", "__whole")


def is_inexact(text: Column) -> Column:
    """Whether what `parsed` has of a text may differ from it: it has half a surrogate pair, or can't be marked."""
    from pyspark.sql import functions as F

    sign, half = _HALF
    return (F.contains(text, F.lit(sign)) & text.rlike(half)) | (_unmarkable(text) & text.rlike(_NUMBER))


def _unmarkable(text: Column) -> Column:
    from pyspark.sql import functions as F

    # Looking for a text is ten times as fast as looking for a pattern.
    return F.contains(text, F.lit(MARK)) | (F.contains(text, F.lit("\\u")) & text.rlike(_ESCAPED))


def _marked(text: Column) -> Column:
    from pyspark.sql import functions as F

    told = F.regexp_replace(text, F.lit(_NEXT), F.lit(f'$1"{MARK}$2{MARK}"'))
    return F.when(_unmarkable(text), text).otherwise(told)


def _unmarked(value: Column, kind: Kind) -> Column:
    from pyspark.sql import functions as F

    def of_text(text: Column) -> Column:
        bare = text
        for mark in (f'"{MARK}', f'{MARK}"', MARK):
            bare = F.replace(bare, F.lit(mark), F.lit(""))
        return bare

    def of_map(entries: Column) -> Column:
        return F.transform_values(entries, lambda _, text: of_text(text))

    match kind:
        case "array<string>":
            return F.transform(value, of_text)
        case "map<string,string>":
            return of_map(value)
        case _:
            return F.transform(value, of_map)
