"""A registry of schemas on loopback that answers as Confluent's does, and the messages that its serialisers make."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import fastavro

from lakehouse_assets_tests.servers.web import listening

Schema = Mapping[str, Any]
USER, PASSWORD = "reader", "p@ss:word/1"


@dataclass
class Registered:
    """One version of a subject."""

    number: int
    schema: Schema
    more: Mapping[str, Any]
    deleted: bool = False


@dataclass
class Registry:
    """`subjects` have versions, counted from 1; numbers of schemas go on across subjects. `asked` has each path."""

    address: str = ""
    subjects: dict[str, list[Registered]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{USER}:p%40ss%3Aword%2F1@{self.address}"

    def register(self, subject: str, schema: Schema, **more: Any) -> int:
        """The number of a schema that is now the newest of a subject."""
        number = 100 + sum(map(len, self.subjects.values()))
        self.subjects.setdefault(subject, []).append(Registered(number, schema, more))
        return number

    def answer(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["subjects", subject, "versions", *rest]:
                known = list(enumerate(self.subjects.get(subject, []), 1))
                seen = [(v, r) for v, r in known if not r.deleted or query.get("deleted") == ["true"]]
                if not seen:
                    return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
                if not rest:
                    return 200, [v for v, _ in seen]
                found = [(v, r) for v, r in seen if str(v) == rest[0]]
                if not found:
                    return 404, {"error_code": 40402, "message": f"Version {rest[0]} not found."}
                version, one = found[0]
                told = {"subject": subject, "version": version, "id": one.number, "schema": json.dumps(one.schema)}
                return 200, {**told, **one.more}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


def written(schema: Schema, record: Any, number: int | None = None) -> bytes:
    """A message, as Confluent's serialiser writes it if its schema has a number."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(dict(schema)), record)
    return (b"" if number is None else b"\x00" + number.to_bytes(4, "big")) + body.getvalue()


@contextmanager
def running() -> Iterator[Registry]:
    """A registry for those who have the password, until the end of the block."""
    registry, login = Registry(), base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            registry.asked.append(self.path)
            status, told = registry.answer(asked.path, parse_qs(asked.query))
            if self.headers["Authorization"] != f"Basic {login}":
                status, told = 401, {"error_code": 401, "message": "Unauthorized"}
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler) as port:
        registry.address = f"127.0.0.1:{port}"
        yield registry
