"""Azure Data Factory's own JSON for what `http(…)` and `extract(…)` declare: a pipeline a table.

A pipeline copies into `<landing>/<domain>/<table>/<year>/<month>/<day>/<time>-<name>`, then looks whether something is
in the file. It lands every time it runs, changed or not; and `sha256`, `hosts`, `limit` and `patience` are held only by
our own downloads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from lakehouse_assets.engine.deploy.data_factory_parts import (
    DATASETS,
    SERVICES,
    Json,
    copy,
    duration,
    expression,
    filled,
    for_each,
    milliseconds,
    references,
    text,
    validation,
)
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.inputs import VARIABLE, AzureSql, Files, Http
from lakehouse_assets.engine.spec.table import Table

# Parameters of every pipeline: the account's Blob endpoint, the container, and what the paths of landing folders begin
# with in it, as `landing/`.
LANDING = ("landing_endpoint", "landing_container", "landing_prefix")
SINCE = "since"
LONG_AGO = "1900-01-01T00:00:00Z"


@dataclass(frozen=True)
class Variables:
    """The variables of the environment that a source names: in its addresses, and in its headers alone."""

    plain: frozenset[str]
    secret: frozenset[str]


def copied(table: Table) -> bool:
    """Whether Data Factory can land what the table reads."""
    return table.source is not None and table.source.delivered_by is not None


def pipeline_name(table: Table) -> str:
    """The pipeline that lands a table's files."""
    return f"{table.domain}_{table.name}"


def variables(source: Files) -> Variables:
    """What a pipeline's run has to be told from the environment."""
    plain: Iterable[str] = ()
    secret: Iterable[str] = ()
    match source.delivered_by:
        case Http(urls, headers):
            plain, secret = urls, headers.values()
        case AzureSql(_, server, database):
            plain = (server, database)
    found = frozenset(VARIABLE.findall(" ".join(plain)))
    return Variables(found, frozenset(VARIABLE.findall(" ".join(secret))) - found)


def factory_files(lakehouse: Lakehouse) -> dict[str, Json]:
    """Path → content of each file, laid out as a factory reads them from its repository."""
    pipelines = {pipeline_name(t): _pipeline(t, t.source) for t in lakehouse.tables.values() if t.source and copied(t)}
    datasets = {name: DATASETS[name] for p in pipelines.values() for name in references(p, "DatasetReference")}
    services = {name: SERVICES[name] for d in datasets.values() for name in references(d, "LinkedServiceReference")}
    return {
        f"{kind}/{name}.json": {"name": name, "properties": body}
        for kind, found in (("pipeline", pipelines), ("dataset", datasets), ("linkedService", services))
        for name, body in sorted(found.items())
    }


def _pipeline(table: Table, source: Files) -> Json:
    told = variables(source)
    parameters: Json = {name: {"type": "String"} for name in (*LANDING, *sorted(told.plain))}
    parameters |= {name: {"type": "SecureString"} for name in sorted(told.secret)}
    match source.delivered_by:
        case AzureSql() as by:
            since = {"type": "String", "defaultValue": LONG_AGO}
            parameters |= {SINCE: since, "query": {"type": "String", "defaultValue": by.query}}
            activities = _extracted(by, table)
        case Http() as by:
            parameters["files"] = {"type": "Array", "defaultValue": _files(by, source.format.name)}
            activities = [for_each("pipeline().parameters.files", _downloaded(by, table))]
    return {
        "description": f"Lands the files of {table.key}: {table.doc.splitlines()[0]}",
        "activities": activities, "parameters": parameters, "folder": {"name": table.domain}, "annotations": [],
    }  # fmt: skip


def _files(source: Http, suffix: str) -> list[Json]:
    """The addresses, with variables as they are declared, and what the file of each is called."""
    ends = [PurePosixPath(urlsplit(url).path).name or "file" for url in source.urls]
    names = [end if "." in end and not source.pages else f"{end.partition('.')[0]}.{suffix}" for end in ends]
    return [
        {"url": url, "name": name if names.count(name) == 1 else f"{number}-{name}"}
        for number, (url, name) in enumerate(zip(source.urls, names, strict=True), 1)
    ]


def _downloaded(source: Http, table: Table) -> list[Json]:
    url = {"url": expression(filled("item().url", VARIABLE.findall(" ".join(source.urls))))}
    landed = _landed(table, "item().name")
    if source.pages:
        way: Json = {
            "type": "RestSource", "requestMethod": "GET", "paginationRules": {"supportRFC5988": "true"},
            "httpRequestTimeout": duration(source.timeout), "requestInterval": milliseconds(source.pause),
            "additionalHeaders": {name: text(value) for name, value in source.headers.items()},
        }  # fmt: skip
        one_array = {"type": "JsonWriteSettings", "filePattern": "arrayOfObjects"}
        sink: Json = {"type": "JsonSink", "formatSettings": one_array}
        ends = ("web_pages", "landed_json")
    else:
        lines = "\n".join(f"{name}: {value}" for name, value in source.headers.items())
        request = {"type": "HttpReadSettings", "requestMethod": "GET", "requestTimeout": duration(source.timeout)}
        way = {"type": "BinarySource", "storeSettings": request | ({"additionalHeaders": text(lines)} if lines else {})}
        sink, ends = {"type": "BinarySink"}, ("web_file", "landed_file")
    read, written = ((ends[0], url), (ends[1], landed))
    return [copy(way, sink, read, written, source.retries, bool(source.headers)), validation(*written)]


def _extracted(source: AzureSql, table: Table) -> list[Json]:
    query = expression(f"replace(pipeline().parameters.query, '${{SINCE}}', pipeline().parameters.{SINCE})")
    read = ("database_rows", {"server": text(source.server), "database": text(source.database)})
    written = ("landed_parquet", _landed(table, "'rows.parquet'"))
    way = {"type": "AzureSqlSource", "sqlReaderQuery": query}
    sink = {"type": "ParquetSink", "formatSettings": {"type": "ParquetWriteSettings"}}
    return [copy(way, sink, read, written, retries=2), validation(*written)]


def _landed(table: Table, name: str) -> Json:
    """The parameters of the dataset that is written; `name` is an expression."""
    at = "pipeline().TriggerTime"
    folder = f"'{table.domain}/{table.name}/', formatDateTime({at}, 'yyyy/MM/dd')"
    return {
        "endpoint": expression("pipeline().parameters.landing_endpoint"),
        "container": expression("pipeline().parameters.landing_container"),
        "folder": expression(f"concat(pipeline().parameters.landing_prefix, {folder})"),
        "file": expression(f"concat(formatDateTime({at}, 'HHmmss'), '-', {name})"),
    }
