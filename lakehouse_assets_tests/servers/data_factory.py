"""A Data Factory on loopback: it speaks the REST of Azure's, and carries out what its pipelines say.

It knows the activities, datasets and functions that our pipelines have, and fails at any other.
"""

from __future__ import annotations

import io
import json
import re
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import requests
from azure.storage.blob import BlobClient

from lakehouse_assets_tests.servers.azurite import KEY
from lakehouse_assets_tests.servers.web import listening

Json = dict[str, Any]
Scope = Mapping[str, Callable[..., Any]]
RESOURCE_ID = "/subscriptions/s/resourceGroups/lake/providers/Microsoft.DataFactory/factories/feeds"
_TIMES = {"yyyy/MM/dd": "%Y/%m/%d", "HHmmss": "%H%M%S"}


@dataclass
class Run:
    """A run of a pipeline, as the service tells of it."""

    id: str
    pipeline: str
    parameters: Json
    started: datetime
    status: str = "Queued"
    activities: list[Json] = field(default_factory=list)

    def told(self) -> Json:
        return {
            "runId": self.id, "pipelineName": self.pipeline, "status": self.status, "durationInMs": 1500,
            "runStart": self.started.isoformat(), "message": "",
        }  # fmt: skip


@dataclass
class Service:
    """What is published in the factory, who is let in, and what was run; with `stuck`, runs never end."""

    url: str = ""
    published: Mapping[str, Json] = field(default_factory=dict)
    token: str = "let me in"
    databases: dict[tuple[str, str], Path] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    stuck: bool = False

    def answer(self, method: str, path: str, body: Json, token: str) -> tuple[int, Json]:
        """Status and body, by the routes of API version 2018-06-01."""
        if token != f"Bearer {self.token}":
            return _error(403, "AuthorizationFailed", "The client does not have authorization to perform action")
        if not path.startswith(RESOURCE_ID):
            return _error(404, "ResourceNotFound", "The factory was not found")
        match method, path.removeprefix(RESOURCE_ID).strip("/").split("/"):
            case "POST", ["pipelines", name, "createRun"]:
                return self._create(name, body)
            case "GET", ["pipelineruns", run_id]:
                return 200, self._looked_at(self.runs[run_id])
            case "POST", ["pipelineruns", run_id, "queryActivityruns"]:
                return 200, self._page(self.runs[run_id], body.get("continuationToken") or "0")
            case "POST", ["pipelineruns", run_id, "cancel"]:
                self.runs[run_id].status = "Cancelled"
                return 200, {}
        return _error(405, "MethodNotAllowed", path)

    def _create(self, name: str, parameters: Json) -> tuple[int, Json]:
        if f"pipeline/{name}.json" not in self.published:
            return _error(404, "EntityNotFound", f"Pipeline {name} was not found")
        declared = self.published[f"pipeline/{name}.json"]["properties"]["parameters"]
        missing = [key for key, told in declared.items() if key not in parameters and "defaultValue" not in told]
        if missing or set(parameters) - set(declared):
            return _error(400, "InvalidParameters", f"{missing} or one of {list(parameters)}")
        values = {key: parameters.get(key, told.get("defaultValue")) for key, told in declared.items()}
        run = Run(str(uuid.uuid4()), name, values, datetime.now(UTC))
        self.runs[run.id] = run
        return 200, {"runId": run.id}

    def _looked_at(self, run: Run) -> Json:
        """A run is carried out between the first look at it and the second."""
        told = run.told()
        if run.status == "Queued":
            run.status = "InProgress"
        elif run.status == "InProgress" and not self.stuck:
            self._carry_out(run)
            return run.told()
        return told

    def _page(self, run: Run, at: str) -> Json:
        """One activity a page."""
        rest = {"continuationToken": str(int(at) + 1)} if int(at) + 1 < len(run.activities) else {}
        return {"value": run.activities[int(at) : int(at) + 1], **rest}

    def _carry_out(self, run: Run) -> None:
        def pipeline() -> Json:
            return {"parameters": run.parameters, "TriggerTime": run.started}

        def written(time: datetime, pattern: str) -> str:
            return time.strftime(_TIMES[pattern])

        scope: Scope = {
            "pipeline": pipeline, "formatDateTime": written, "concat": lambda *parts: "".join(parts),
            "replace": lambda text, old, new: text.replace(old, new),
        }  # fmt: skip
        activities = self.published[f"pipeline/{run.pipeline}.json"]["properties"]["activities"]
        run.status = "Succeeded" if self._all(activities, scope, run) else "Failed"

    def _done(self, activity: Json, scope: Scope, run: Run) -> bool:
        told = activity["typeProperties"]
        if activity["type"] == "ForEach":
            items = evaluated(told["items"], scope)
            each = [self._all(told["activities"], {**scope, "item": lambda it=it: it}, run) for it in items]
            return all(each)
        try:
            output = self._copied(activity, scope) if activity["type"] == "Copy" else self._looked(told, scope)
        except (requests.RequestException, duckdb.Error, AssertionError) as error:
            problem = {"errorCode": "2200", "message": str(error)}
            run.activities.append(_activity(activity, run, status="Failed", error=problem))
            return False
        run.activities.append(_activity(activity, run, status="Succeeded", output=output))
        return True

    def _all(self, activities: list[Json], scope: Scope, run: Run) -> bool:
        return all(self._done(activity, scope, run) for activity in activities)

    def _copied(self, activity: Json, scope: Scope) -> Json:
        source = activity["typeProperties"]["source"]
        service, _ = self._place(activity["inputs"][0], scope)
        if source["type"] == "AzureSqlSource":
            with duckdb.connect(
                str(self.databases[service["server"], service["database"]]), read_only=True
            ) as database:
                found = database.sql(evaluated(source["sqlReaderQuery"], scope)).to_arrow_table()
            return {**self._write(activity["outputs"][0], scope, _parquet(found)), "rowsCopied": found.num_rows}
        if source["type"] == "RestSource":
            assert 10 <= source["requestInterval"] <= 60_000, "requestInterval is in milliseconds"
            rows = _all_pages(service["url"], evaluated(source["additionalHeaders"], scope))
            return {**self._write(activity["outputs"][0], scope, json.dumps(rows).encode()), "rowsCopied": len(rows)}
        settings = source["storeSettings"]
        lines = evaluated(settings.get("additionalHeaders", ""), scope).splitlines()
        answer = requests.get(service["url"], headers=dict(line.split(": ", 1) for line in lines), timeout=10)
        answer.raise_for_status()
        return self._write(activity["outputs"][0], scope, answer.content)

    def _looked(self, told: Json, scope: Scope) -> Json:
        blob = self._blob(told["dataset"], scope)
        assert blob.get_blob_properties().size >= told["minimumSize"], "Validation: the file is empty"
        return {"exists": True}

    def _write(self, reference: Json, scope: Scope, content: bytes) -> Json:
        self._blob(reference, scope).upload_blob(content, overwrite=True)
        return {"dataWritten": len(content), "filesWritten": 1}

    def _blob(self, reference: Json, scope: Scope) -> BlobClient:
        service, dataset = self._place(reference, scope)
        where = dataset["location"]
        name = f"{where['folderPath']}/{where['fileName']}"
        return BlobClient(service["serviceEndpoint"], where["container"], name, credential=KEY)

    def _place(self, reference: Json, scope: Scope) -> tuple[Json, Json]:
        """What the service and the dataset of a reference come to."""
        dataset = self.published[f"dataset/{reference['referenceName']}.json"]["properties"]
        given = evaluated(reference["parameters"], scope)
        assert set(given) == set(dataset["parameters"])
        scope = {**scope, "dataset": lambda: given}
        link = dataset["linkedServiceName"]
        service = self.published[f"linkedService/{link['referenceName']}.json"]["properties"]
        handed = evaluated(link["parameters"], scope)
        assert set(handed) == set(service["parameters"])
        told = evaluated(service["typeProperties"], {**scope, "linkedService": lambda: handed})
        return told, evaluated(dataset["typeProperties"], scope)


def evaluated(value: Any, scope: Scope) -> Any:
    """What a value of a pipeline comes to, expressions computed."""
    if isinstance(value, dict):
        if value.get("type") == "Expression":
            return _whole(value["value"].removeprefix("@"), scope)
        return {name: evaluated(part, scope) for name, part in value.items()}
    if isinstance(value, str):
        return re.sub(r"@\{(.*?)\}", lambda found: str(_whole(found[1], scope)), value)
    return value


def _whole(code: str, scope: Scope) -> Any:
    value, rest = _value(code, scope)
    assert not rest, f"{code}: can't go on at {rest}"
    return value


def _value(code: str, scope: Scope) -> tuple[Any, str]:
    """The value that the code begins with, and what is left of the code."""
    if text := re.match(r"'((?:[^']|'')*)'", code):
        return text[1].replace("''", "'"), code[text.end() :]
    call = re.match(r"(\w+)\(", code)
    assert call, f"{code}: neither a text nor a function"
    arguments, rest = [], code[call.end() :]
    while not rest.startswith(")"):
        argument, rest = _value(rest.lstrip(", "), scope)
        arguments.append(argument)
    value, rest = scope[call[1]](*arguments), rest[1:]
    while name := re.match(r"\.(\w+)", rest):
        value, rest = value[name[1]], rest[name.end() :]
    return value, rest


def _all_pages(url: str | None, headers: Mapping[str, str]) -> list[Json]:
    rows: list[Json] = []
    while url:
        answer = requests.get(url, headers=headers, timeout=10)
        answer.raise_for_status()
        rows += answer.json()
        url = answer.links.get("next", {}).get("url")
    return rows


def _parquet(rows: Any) -> bytes:
    import pyarrow.parquet as pq

    body = io.BytesIO()
    pq.write_table(rows, body)
    return body.getvalue()


def _activity(activity: Json, run: Run, **told: Any) -> Json:
    own = {"activityName": activity["name"], "activityType": activity["type"], "pipelineRunId": run.id}
    return {**own, "activityRunId": str(uuid.uuid4()), **told}


def _error(status: int, code: str, message: str) -> tuple[int, Json]:
    return status, {"error": {"code": code, "message": message}}


@contextmanager
def factory(folder: Path) -> Iterator[Service]:
    """A factory at an `https://` address, whose certificate is `ca.pem` in the folder, until the end of the block."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers["Content-Length"] or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            told = self.headers["Authorization"]
            status, answer = service.answer(self.command, urlsplit(self.path).path, body or {}, told)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))
    with listening(Handler, context) as port:
        service.url = f"https://127.0.0.1:{port}"
        yield service


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(secret)
    return folder / "ca.pem", folder / "key.pem"
