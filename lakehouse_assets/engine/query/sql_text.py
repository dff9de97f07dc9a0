"""The text of a query as a tree, and the tree as text, with the meaning that Spark gives to it.

sqlglot translates between dialects: it reads `date_sub` as a subtraction and writes that in its own way. Here a query
stays as it's written: a function keeps its name and its arguments, a literal its type, a subquery its WITH. What is
written holds names in backquotes, strings in single quotes, and no comment, so it has one reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ErrorLevel
from sqlglot.generators.spark import SparkGenerator
from sqlglot.parsers.spark import SparkParser
from sqlglot.tokenizer_core import TokenType

from lakehouse_assets.engine.query.allowed import ONLY_QUERIES, QueryError

_PARTS = ["year", "quarter", "month", "week", "day", "dayofyear", "hour", "minute", "second", "millisecond"]
# What `date_add(DAY, 1, d)` and an interval may count.
UNITS = frozenset({*_PARTS, *(f"{part}s" for part in _PARTS), "microsecond", "microseconds"})
_COUNTING = frozenset({"date_add", "dateadd", "date_diff", "datediff", "timestampadd", "timestampdiff"})
# Functions whose arguments are parted by words.
_WORDY = ("CAST", "TRY_CAST", "EXTRACT", "OVERLAY", "TRIM")
# Functions that may go without brackets.
_BARE = (TokenType.CURRENT_DATE, TokenType.CURRENT_TIMESTAMP, TokenType.CURRENT_USER, TokenType.SESSION_USER)
_TYPED = {
    exp.DType.DATE: "DATE",
    exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMP",
    exp.DType.TIMESTAMPLTZ: "TIMESTAMP_LTZ",
    exp.DType.TIMESTAMPNTZ: "TIMESTAMP_NTZ",
}
# Of Spark's generator: these write something else than was read.
_TRANSLATED = {exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.From, exp.Pivot, exp.Select, exp.Table}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1a": "\\Z", "\b": "\\b"}
_ESCAPED = str.maketrans(_ESCAPES)


def parse(query: str) -> list[exp.Expr]:
    """The statements of a text.

    Raises:
        sqlglot.errors.SqlglotError: it isn't SQL that sqlglot understands.
        RecursionError: it's nested too deeply.
    """
    return [tree for tree in sqlglot.parse(query, dialect=AsWritten) if tree is not None]


def write(tree: exp.Expr) -> str:
    """The text of a tree.

    Raises:
        sqlglot.errors.UnsupportedError: Spark has no text for it.
        RecursionError: it's nested too deeply.
    """
    return tree.sql(dialect=AsWritten, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE)


def _called(name: str, parsed: Callable[[Any], exp.Expr], *arguments: str) -> Callable[[Any], exp.Expr]:
    """The parser of a function, whose call is written with commas under its own name."""

    def parse_call(parser: Any) -> exp.Expr:
        given = parsed(parser).args
        return exp.Anonymous(this=name, expressions=[given[a] for a in arguments if given.get(a)])

    return parse_call


def _bare(name: str) -> Callable[[], exp.Expr]:
    return lambda: exp.Anonymous(this=name)


def _cast_by_colons(parser: Any, this: exp.Expr, to: exp.Expr) -> exp.Expr:
    made: exp.Expr = parser.build_cast(strict=False, this=this, to=to)
    made.meta["colons"] = True
    return made


def _negative(parser: Any) -> exp.Expr:
    """Of `-1::string`, which is a text to Spark, the cast; else a minus and what follows."""
    operand: exp.Expr = parser._parse_unary() or parser.raise_error("Expected an expression")
    inner = operand
    while isinstance(inner, exp.TryCast) and inner.meta.get("colons"):
        if isinstance(inner.this, exp.Literal) and not inner.this.is_string:
            inner.set("this", exp.Neg(this=inner.this))
            return operand
        inner = inner.this
    return exp.Neg(this=operand)


def _positive(parser: Any) -> exp.Expr:
    return exp.Anonymous(this="positive", expressions=[parser._parse_unary()])  # of a text it makes a number


def _trim(generator: Any, trim: exp.Trim) -> str:
    parts = [trim.text("position"), generator.sql(trim, "expression"), generator.sql(trim, "this")]
    return f"TRIM({' '.join(p for p in parts[:2] if p)}{' FROM ' if any(parts[:2]) else ''}{parts[2]})"


def _side_by_side(generator: Any, strings: exp.Concat) -> str:
    """`'a' 'b'`, which is one string."""
    return str(generator.sql(exp.Literal.string("".join(part.name for part in strings.expressions))))


def _typed(name: str) -> Callable[..., exp.Expr]:
    return lambda _, literal, __: exp.Introducer(this=exp.var(name), expression=literal)


class AsWritten(Spark):
    """Spark's SQL, in which nothing is translated."""

    class Parser(SparkParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
            **{name: SparkParser.FUNCTION_PARSERS[name] for name in _WORDY},
            "POSITION": _called("position", lambda parser: parser._parse_position(), "substr", "this", "position"),
            "SUBSTR": _called("substr", lambda parser: parser._parse_substring(), "this", "start", "length"),
            "SUBSTRING": _called("substring", lambda parser: parser._parse_substring(), "this", "start", "length"),
        }
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {token: _bare(token.name.lower()) for token in _BARE}
        ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {}
        COLUMN_OPERATORS: ClassVar[dict[Any, Any]] = {**SparkParser.COLUMN_OPERATORS, TokenType.DCOLON: _cast_by_colons}
        UNARY_PARSERS: ClassVar[dict[Any, Any]] = {
            **SparkParser.UNARY_PARSERS,
            TokenType.DASH: _negative,
            TokenType.PLUS: _positive,
        }
        TYPE_LITERAL_PARSERS: ClassVar[dict[Any, Any]] = {kind: _typed(name) for kind, name in _TYPED.items()}

        def _warn_unsupported(self) -> None:
            """Where sqlglot would take a statement for a `Command`, of which it knows only the text."""
            raise QueryError(ONLY_QUERIES)

        def _parse_pipe_syntax_query(self, query: Any) -> Any:  # noqa: ARG002
            raise QueryError("Queries in pipes (|>) aren't run here; a WITH has a part for each step")

        def _parse_csv(self, parse_method: Callable[[], Any], sep: TokenType = TokenType.COMMA) -> list[Any]:
            """A list, in which no item is missing."""
            items = [parse_method()]
            while self._match(sep):
                items.append(parse_method())
            if len(items) > 1 and None in items:
                self.raise_error("Nothing stands before or after a comma")
            return [item for item in items if item is not None]

        def build_cast(self, strict: bool, **given: Any) -> Any:
            """Keep the suffix of a number (`2L`, `1.5BD`), which the tokens have as a cast."""
            suffix, number = self._prev.text.upper(), given["this"]
            if suffix in AsWritten.Tokenizer.NUMERIC_LITERALS and isinstance(number, exp.Literal):
                return exp.Literal.number(number.name + suffix)
            return super().build_cast(strict, **given)

        def _parse_interval(self, *_: Any, **__: Any) -> Any:
            """An interval of one or several units; several go into one text, which Spark reads alike."""
            index = self._index
            parts = self._interval_parts() if self._match(TokenType.INTERVAL) else []
            if not parts:
                self._retreat(index)
                return None
            if len(parts) == 1:
                sign, value, unit = parts[0]
                literal: exp.Expr = exp.Literal.string(value)
                return exp.Interval(this=exp.Neg(this=literal) if sign else literal, unit=unit)
            return exp.Interval(this=exp.Literal.string(" ".join(f"{s}{v} {u.name}" for s, v, u in parts if u)))

        def _interval_parts(self) -> list[tuple[str, str, exp.Expr | None]]:
            """Sign, value and unit of each part; none where this is no interval but a name."""
            parts: list[tuple[str, str, exp.Expr | None]] = []
            while True:
                index = self._index
                sign = "-" if self._match(TokenType.DASH) else ""
                if not sign:
                    self._match(TokenType.PLUS)
                if not self._match_set((TokenType.STRING, TokenType.NUMBER)):
                    self._retreat(index)
                    return parts
                value, alone = self._prev.text, self._prev.token_type == TokenType.STRING and not parts
                unit = self._interval_unit()
                if unit is None and (not alone or sign):
                    self._retreat(index)
                    return parts
                parts.append((sign, value, unit))
                if not isinstance(unit, exp.Var):
                    return parts

        def _interval_unit(self) -> exp.Expr | None:
            if self._curr is None or self._curr.text.lower() not in UNITS:
                return None
            self._advance()
            unit = exp.var(self._prev.text.upper())
            if not self._match_text_seq("TO"):
                return unit
            last = self._interval_unit()
            if last is None:
                self.raise_error("Expected a unit after TO")
            return exp.IntervalSpan(this=unit, expression=last)

    class Generator(SparkGenerator):
        EXPRESSIONS_WITHOUT_NESTED_CTES: ClassVar[set[Any]] = set()
        TABLESAMPLE_SEED_KEYWORD = "REPEATABLE"
        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            **{kind: how for kind, how in SparkGenerator.TRANSFORMS.items() if kind not in _TRANSLATED},
            exp.Concat: _side_by_side,
            exp.NullSafeEQ: lambda self, e: self.binary(e, "<=>"),
            exp.Trim: _trim,
        }

        def not_sql(self, expression: exp.Not) -> str:
            """`a NOT IN (…)` comes as NOT before the whole: within an operator it has to stay within."""
            this = expression.this
            if isinstance(this, exp.Is) and isinstance(this.expression, exp.Null):
                return f"{self.sql(this, 'this')} IS NOT NULL"
            within = isinstance(expression.parent, exp.Binary) and not isinstance(expression.parent, exp.Connector)
            return f"({super().not_sql(expression)})" if within else super().not_sql(expression)

        def identifier_sql(self, expression: exp.Identifier) -> str:
            return "`{}`".format(expression.name.replace("`", "``"))

        def literal_sql(self, expression: exp.Literal) -> str:
            return f"'{expression.name.translate(_ESCAPED)}'" if expression.is_string else expression.name

        def rawstring_sql(self, expression: exp.RawString) -> str:
            return f"'{expression.name.translate(_ESCAPED)}'"

        def anonymous_sql(self, expression: exp.Anonymous) -> str:
            """A call; the unit it counts is a word and no name."""
            first = expression.expressions[0] if len(expression.expressions) == 3 else None
            if expression.name.lower() in _COUNTING and isinstance(first, exp.Column) and first.name.lower() in UNITS:
                given = [first.name, *(self.sql(e) for e in expression.expressions[1:])]
                return f"{expression.name}({', '.join(given)})"
            return f"{expression.name}({', '.join(self.sql(e) for e in expression.expressions)})"

        def lambda_sql(self, expression: exp.Lambda, arrow_sep: str = "->", wrap: bool = True) -> str:  # noqa: ARG002
            """A lambda; sqlglot would count its parameters by the commas, of which their names may have some."""
            names = [self.sql(name) for name in expression.expressions]
            listed = names[0] if len(names) == 1 else f"({', '.join(names)})"
            return f"{listed} -> {self.sql(expression, 'this')}"

        def lateral_sql(self, expression: exp.Lateral) -> str:
            """With the name of the view as the name it is: sqlglot would write it bare."""
            if not expression.args.get("view"):
                return super().lateral_sql(expression)
            alias = expression.args.get("alias") or exp.TableAlias()
            outer = " OUTER" if expression.args.get("outer") else ""
            columns = ", ".join(self.sql(column) for column in alias.columns)
            return (
                f" LATERAL VIEW{outer} {self.sql(expression, 'this')} {self.sql(alias, 'this')}"
                f"{columns and f' AS {columns}'}"
            )
