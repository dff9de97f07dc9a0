"""The activities, datasets and linked services of which the pipelines of Data Factory are made.

Files are written through the Blob service: there a file appears when it's complete, while one that is written through
ADLS' own service is seen, and would be read, half written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakehouse_assets.engine.spec.inputs import VARIABLE

Json = dict[str, Any]
Dataset = tuple[str, Json]  # its name, and its parameters
_AT_ONCE = 4


def expression(code: str) -> Json:
    """What Data Factory computes when it runs."""
    return {"value": f"@{code}", "type": "Expression"}


def text(value: str) -> Any:
    """A text in which `${NAME}` is the pipeline's parameter of that name."""
    parts = VARIABLE.split(value)
    if len(parts) == 1:
        return f"@{value}" if value.startswith("@") else value
    spelled = [f"pipeline().parameters.{p}" if n % 2 else _quoted(p) for n, p in enumerate(parts) if p]
    return expression(f"concat({', '.join(spelled)})")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def filled(code: str, names: Iterable[str]) -> str:
    """The value of an expression with each `${NAME}` in it replaced by the parameter of that name."""
    for name in sorted(set(names)):
        code = f"replace({code}, '${{{name}}}', pipeline().parameters.{name})"
    return code


def duration(seconds: float) -> str:
    """As `00:01:30`."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def milliseconds(seconds: float) -> int:
    """Within what the REST connector takes for a pause between two pages: 10 ms to a minute."""
    return min(max(round(seconds * 1000), 10), 60_000)


def for_each(items: str, activities: Sequence[Json]) -> Json:
    """The activities for each of a list."""
    return {
        "name": "each file", "type": "ForEach", "dependsOn": [], "userProperties": [],
        "typeProperties": {
            "items": expression(items), "isSequential": False, "batchCount": _AT_ONCE, "activities": [*activities],
        },
    }  # fmt: skip


def copy(source: Json, sink: Json, read: Dataset, written: Dataset, retries: int, secret: bool = False) -> Json:
    """Copies one dataset into another; what it's given is kept out of the factory's logs if that is `secret`."""
    policy = {"timeout": "0.02:00:00", "retry": retries, "retryIntervalInSeconds": 30, "secureInput": secret}
    store = {"storeSettings": {"type": "AzureBlobStorageWriteSettings"}}
    return {
        "name": "copy", "type": "Copy", "dependsOn": [], "userProperties": [], "policy": policy,
        "typeProperties": {"source": source, "sink": {**sink, **store}, "enableStaging": False},
        "inputs": [_dataset(*read)], "outputs": [_dataset(*written)],
    }  # fmt: skip


def validation(name: str, parameters: Json) -> Json:
    """Fails unless the dataset is there after the copy, with something in it."""
    return {
        "name": "look", "type": "Validation", "userProperties": [],
        "dependsOn": [{"activity": "copy", "dependencyConditions": ["Succeeded"]}],
        "typeProperties": {
            "dataset": _dataset(name, parameters), "timeout": "0.00:05:00", "sleep": 10, "minimumSize": 1,
        },
    }  # fmt: skip


def references(value: Any, kind: str) -> list[str]:
    """The names of everything of a kind that is referred to."""
    if isinstance(value, dict):
        own = [str(value["referenceName"])] if value.get("type") == kind else []
        return own + [name for part in value.values() for name in references(part, kind)]
    return [name for part in value for name in references(part, kind)] if isinstance(value, list) else []


def _dataset(name: str, parameters: Json) -> Json:
    return {"referenceName": name, "type": "DatasetReference", "parameters": parameters}


def _declared(kind: str, service: str, parameters: Sequence[str], properties: Json) -> Json:
    """A dataset that hands the parameters to its service that the service has."""
    handed = {name: expression(f"dataset().{name}") for name in parameters if name in SERVICES[service]["parameters"]}
    at = {"referenceName": service, "type": "LinkedServiceReference", "parameters": handed}
    told = {name: {"type": "String"} for name in parameters}
    return {
        "type": kind, "linkedServiceName": at, "parameters": told, "annotations": [], "typeProperties": properties,
    }  # fmt: skip


def _service(kind: str, parameters: Sequence[str], properties: Json) -> Json:
    return {
        "type": kind, "parameters": {name: {"type": "String"} for name in parameters}, "annotations": [],
        "typeProperties": properties,
    }  # fmt: skip


def _of_service(name: str) -> str:
    return f"@{{linkedService().{name}}}"


# The factory's own managed identity is what lets it into the account and the database.
_WEB = {"url": _of_service("url"), "enableServerCertificateValidation": True, "authenticationType": "Anonymous"}
SERVICES: Mapping[str, Json] = {
    "web": _service("HttpServer", ["url"], _WEB),
    "rest": _service("RestService", ["url"], _WEB),
    "database": _service("AzureSqlDatabase", ["server", "database"], {
        "server": _of_service("server"), "database": _of_service("database"), "encrypt": "mandatory",
        "trustServerCertificate": False, "authenticationType": "SystemAssignedManagedIdentity",
    }),
    "landing": _service("AzureBlobStorage", ["endpoint"], {
        "serviceEndpoint": _of_service("endpoint"), "accountKind": "StorageV2",
    }),
}  # fmt: skip

_PLACE = ("endpoint", "container", "folder", "file")
_FILE = {
    "location": {
        "type": "AzureBlobStorageLocation", "container": expression("dataset().container"),
        "folderPath": expression("dataset().folder"), "fileName": expression("dataset().file"),
    }
}  # fmt: skip
DATASETS: Mapping[str, Json] = {
    "web_file": _declared("Binary", "web", ["url"], {"location": {"type": "HttpServerLocation"}}),
    "web_pages": _declared("RestResource", "rest", ["url"], {}),
    "database_rows": _declared("AzureSqlTable", "database", ["server", "database"], {}),
    "landed_file": _declared("Binary", "landing", _PLACE, _FILE),
    "landed_json": _declared("Json", "landing", _PLACE, _FILE),
    "landed_parquet": _declared("Parquet", "landing", _PLACE, {**_FILE, "compressionCodec": "snappy"}),
}
