"""What a query may contain. Anything else is refused, also what a later Spark adds.

A function is here if it computes from its arguments, the clock, chance, or who is asking. Left out are those that run
code (`reflect`), read what a path or a URL in their arguments names (`from_avro` a schema, `from_xml` a schema,
`xpath` the DTD of a document, `from_protobuf` a descriptor, `table_changes_by_path` a table), or tell of the engine
(`version`, `input_file_name`).
"""

from __future__ import annotations

import re

from sqlglot import exp

from lakehouse_assets.engine.errors import LakehouseError

_CONDITIONS = """
coalesce equal_null if ifnull ilike isnan isnotnull isnull like nanvl nullif nullifzero nvl nvl2 regexp regexp_like
rlike when zeroifnull
"""
_NUMBERS = """
abs acos acosh asin asinh atan atan2 atanh bigint bin bit_count bit_get boolean bround cbrt ceil ceiling conv cos cosh
cot csc decimal degrees double e exp expm1 factorial float floor getbit greatest hex hypot int least ln log log10 log1p
log2 mod negative pi pmod positive pow power radians rand randn random rint round sec shiftleft shiftright
shiftrightunsigned sign signum sin sinh smallint sqrt tan tanh tinyint try_add try_divide try_mod try_multiply
try_subtract unhex uniform width_bucket
"""
_TEXTS = """
ascii base64 binary bit_length btrim char char_length character_length chr collate collation concat concat_ws contains
decode elt encode endswith find_in_set format_number format_string initcap instr is_valid_utf8 lcase left len length
levenshtein locate lower lpad ltrim luhn_check make_valid_utf8 mask octet_length overlay position printf randstr
regexp_count regexp_extract regexp_extract_all regexp_instr regexp_replace regexp_substr repeat replace right rpad rtrim
sentences soundex space split split_part startswith string substr substring substring_index to_binary to_char to_number
to_varchar translate trim try_to_binary try_to_number try_validate_utf8 ucase unbase64 upper validate_utf8
"""
_DATES = """
add_months convert_timezone curdate current_date current_timestamp current_timezone date date_add date_diff date_format
date_from_unix_date date_part date_sub date_trunc dateadd datediff datepart day dayname dayofmonth dayofweek dayofyear
extract from_unixtime from_utc_timestamp hour last_day localtimestamp make_date make_dt_interval make_interval
make_timestamp make_timestamp_ltz make_timestamp_ntz make_ym_interval minute month monthname months_between next_day now
quarter second session_window timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd timestampdiff
to_date to_timestamp to_timestamp_ltz to_timestamp_ntz to_unix_timestamp to_utc_timestamp trunc try_make_interval
try_make_timestamp try_make_timestamp_ltz try_make_timestamp_ntz try_to_timestamp unix_date unix_micros unix_millis
unix_seconds unix_timestamp weekday weekofyear window window_time year
"""
_ARRAYS_MAPS_STRUCTS = """
aggregate array array_append array_compact array_contains array_distinct array_except array_insert array_intersect
array_join array_max array_min array_position array_prepend array_remove array_repeat array_size array_sort array_union
arrays_overlap arrays_zip cardinality element_at exists filter flatten forall get map map_concat map_contains_key
map_entries map_filter map_from_arrays map_from_entries map_keys map_values map_zip_with named_struct reduce reverse
sequence shuffle size slice sort_array str_to_map struct transform transform_keys transform_values try_element_at
zip_with
"""
_AGGREGATES = """
any any_value approx_count_distinct approx_percentile array_agg avg bit_and bit_or bit_xor bitmap_bit_position
bitmap_bucket_number bitmap_construct_agg bitmap_count bitmap_or_agg bool_and bool_or collect_list collect_set corr
count count_if count_min_sketch covar_pop covar_samp every first first_value grouping grouping_id histogram_numeric
hll_sketch_agg hll_sketch_estimate hll_union hll_union_agg kurtosis last last_value listagg max max_by mean median min
min_by mode percentile percentile_approx percentile_cont percentile_disc regr_avgx regr_avgy regr_count regr_intercept
regr_r2 regr_slope regr_sxx regr_sxy regr_syy skewness some std stddev stddev_pop stddev_samp string_agg sum try_avg
try_sum var_pop var_samp variance
"""
_WINDOWS = "cume_dist dense_rank lag lead nth_value ntile percent_rank rank row_number"
_ROWS = """
collations explode explode_outer inline inline_outer json_tuple posexplode posexplode_outer range sql_keywords stack
variant_explode variant_explode_outer
"""
_FORMATS = """
from_csv from_json get_json_object is_variant_null json_array_length json_object_keys parse_json parse_url schema_of_csv
schema_of_json schema_of_variant schema_of_variant_agg to_csv to_json to_variant_object try_parse_json try_parse_url
try_url_decode try_variant_get url_decode url_encode variant_get
"""
_OTHERS = """
aes_decrypt aes_encrypt assert_true crc32 current_catalog current_database current_schema current_user hash md5
monotonically_increasing_id raise_error session_user sha sha1 sha2 spark_partition_id try_aes_decrypt typeof user uuid
xxhash64
"""
_GROUPS = (
    _CONDITIONS, _NUMBERS, _TEXTS, _DATES, _ARRAYS_MAPS_STRUCTS, _AGGREGATES, _WINDOWS, _ROWS, _FORMATS, _OTHERS
)  # fmt: skip
FUNCTIONS = frozenset(name for group in _GROUPS for name in group.split())

# What sqlglot calls the parts of a statement. Each has `this`, `expression` and `expressions`.
_NODES = """
Add Aliases All And Anonymous Any BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor Boolean
Bracket Cluster Collate Concat Cube DataTypeParam Distinct Distribute Dot EQ Escape Exists Extract Filter From GT GTE
GroupingSets Having HexString IgnoreNulls IntDiv IntervalSpan Introducer Is Kwarg LT LTE Lambda Limit Literal Mod Mul
NEQ Neg Not Null NullSafeEQ NullSafeNEQ Offset Or Order Paren RawString RegexpLike RespectNulls Rollup Sort Sub
Transform Tuple Var Where With WithinGroup
"""
_SET_OPERATION = "with_ distinct order limit offset sort distribute cluster"
# The further parts that some have.
_PARTS = {
    "Alias": "alias", "Between": "low high", "CTE": "alias", "Case": "ifs default",
    "Cast": "to safe", "Column": "table db catalog", "ColumnDef": "kind", "DPipe": "safe", "DataType": "nested",
    "Div": "safe", "Except": _SET_OPERATION, "Group": "all cube grouping_sets rollup", "ILike": "negate",
    "Identifier": "quoted", "If": "true false", "In": "query", "Intersect": _SET_OPERATION, "Interval": "unit",
    "Join": "kind method on side using", "Lateral": "alias outer view", "Like": "negate", "Literal": "is_string",
    "Ordered": "desc nulls_first", "Overlay": "for_ from_",
    "Pivot": "alias columns fields include_nulls pivot_column_naming unpivot", "PivotAlias": "alias",
    "Select": f"{_SET_OPERATION} from_ group having joins laterals where windows", "Star": "except_",
    "Subquery": "alias with_ joins laterals pivots sample order limit offset",
    "Table": "alias catalog db joins laterals pivots sample version", "TableAlias": "columns",
    "TableSample": "bucket_denominator bucket_numerator percent rows seed size", "Trim": "position",
    "TryCast": "to safe", "Union": _SET_OPERATION, "Values": "alias pivots", "Version": "kind",
    "Window": "alias order over partition_by spec", "WindowSpec": "end end_side kind start start_side",
}  # fmt: skip
PARTS = {kind: {"this", "expression", "expressions"} for kind in _NODES.split()}
PARTS |= {kind: {"this", "expression", "expressions", *more.split()} for kind, more in _PARTS.items()}
_SPELLED = {
    "QueryTransform": "TRANSFORM … USING", "Parameter": "a variable", "Placeholder": "a parameter", "Hint": "a hint",
    "Lock": "FOR UPDATE", "recursive": "WITH RECURSIVE", "on": "DISTINCT ON", "JSONExtract": "a path into JSON",
}  # fmt: skip
ONLY_QUERIES = "Only queries are run here; tables are changed by their own declarations"
_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(l|s|y|d|f|bd)?", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]*")


class QueryError(LakehouseError):
    """A query can't be parsed or run."""


def refuse_foreign(tree: exp.Expr) -> None:
    """Let a query pass if everything in it is allowed; functions get the names that they have here.

    Raises:
        QueryError: something isn't; the message says what, and what is possible.
    """
    for node in tree.walk():
        kind = type(node).__name__
        foreign = [name for name, value in node.args.items() if value and name not in PARTS.get(kind, ())]
        if kind not in PARTS:
            raise _not_run(node)
        if foreign:
            raise _not_run(node, foreign[0])
        if isinstance(node, exp.Anonymous):
            _refuse_function(node)
        elif not _is_plain(node):
            raise QueryError(f"{_shown(node)} can't be told for sure from something else; write it in another way")


def _refuse_function(call: exp.Anonymous) -> None:
    name = call.name.lower()
    if name not in FUNCTIONS or (isinstance(call.parent, exp.Dot) and call.arg_key == "expression"):
        raise QueryError(
            f"{_shown(call.name)} isn't among the functions that `lakehouse sql` runs: those that compute from their "
            "arguments alone; if a table needs it, write it in the table's own declaration"
        )
    call.set("this", name)


def _is_plain(node: exp.Expr) -> bool:
    """Whether the texts within a node are what they have to be: they are written as they are."""
    this = node.args.get("this")
    match node:
        case exp.Identifier() | exp.RawString():
            return True
        case exp.Literal():
            return node.is_string or _NUMBER.fullmatch(node.name) is not None
        case exp.HexString():
            return _HEX.fullmatch(node.name) is not None
        case exp.DataType() if not isinstance(node, exp.IntervalSpan):
            foreign = (exp.DType.USERDEFINED, exp.DType.UNKNOWN)
            return isinstance(this, exp.Interval) or (isinstance(this, exp.DType) and this not in foreign)
        case exp.CTE():
            return isinstance(this, exp.Query | exp.Values)
        case exp.Dot():
            return isinstance(node.expression, exp.Identifier | exp.Star)
        case exp.Column():
            return isinstance(this, exp.Identifier | exp.Star)
        case exp.Table():
            return isinstance(this, exp.Identifier) or (isinstance(this, exp.Anonymous) and not node.db)
    return all(_WORDS.fullmatch(text) for text in node.args.values() if isinstance(text, str))


def _not_run(node: exp.Expr, part: str = "") -> QueryError:
    values = node.args.get(part) or node
    first = values[0] if isinstance(values, list) else values
    kind = type(first).__name__ if isinstance(first, exp.Expr) else part
    what = _SPELLED.get(part) or _SPELLED.get(kind) or " ".join(re.findall("[A-Z]?[a-z0-9]+|[A-Z]+", kind)).upper()
    return QueryError(
        f"The query contains {what}, which `lakehouse sql` doesn't run: it runs SELECT over tables, "
        "subqueries and VALUES, with joins, grouping, windows and set operations"
    )


def _shown(part: exp.Expr | str) -> str:
    text = part if isinstance(part, str) else part.sql()
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
