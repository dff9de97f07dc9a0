"""A proxy before Azurite that refuses its clients, as a busy account does: 503, come again in a second.

It's a process of its own (`python -m lakehouse_assets_tests.servers.throttle PORT TIMES`, a JSON object by client),
because delta-rs keeps Python's other threads waiting while it waits itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.request import urlopen

from lakehouse_assets_tests.servers.azurite import Azurite

REFUSED = "/refused"
FOR_EVER = sys.maxsize
CLIENTS = ("adlfs", "object_store", "APN")  # fsspec, delta-rs and Hadoop, by what they call themselves
BUSY = {"Retry-After": "1", "Content-Type": "application/xml", "x-ms-error-code": "ServerBusy"}
_REASON = b"<?xml version='1.0'?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>"
_OF_A_CONNECTION = ("transfer-encoding", "connection", "keep-alive", "content-length", "expect")


@contextmanager
def throttled(azurite: Azurite, times: Mapping[str, int]) -> Iterator[Azurite]:
    """The emulator by the port of a proxy that refuses the first requests of clients, until the end of the block."""
    command = [sys.executable, "-m", "lakehouse_assets_tests.servers.throttle", str(azurite.blobs), json.dumps(times)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield replace(azurite, blobs=int(process.stdout.readline()))
        finally:
            process.kill()


def refused(azurite: Azurite) -> dict[str, int]:
    """How often each client was refused, by what it calls itself."""
    with urlopen(f"http://127.0.0.1:{azurite.blobs}{REFUSED}", timeout=10) as answer:
        return dict(json.load(answer))


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behind: int
    times: Mapping[str, int]
    refused: ClassVar = Counter[str]()  # each request has a handler of its own

    def do_GET(self) -> None:
        body, client = self._body(), (self.headers["User-Agent"] or "").partition("/")[0]
        if self.path == REFUSED:
            self._answer(200, {}, json.dumps(self.refused).encode())
        elif self.refused[client] < self.times.get(client, 0):
            self.refused[client] += 1
            self._answer(503, BUSY, _REASON)
        else:
            self._forward(body)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET

    def _body(self) -> bytes:
        if "chunked" not in (self.headers["Transfer-Encoding"] or ""):
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> None:
        told = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
        if self.command in ("PUT", "POST"):
            told["Content-Length"] = str(len(body))
        connection = HTTPConnection("127.0.0.1", self.behind, timeout=60)
        connection.request(self.command, self.path, body or None, told)
        answer = connection.getresponse()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_CONNECTION}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, headers, answer.read(), length)
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    _Proxy.behind, _Proxy.times = int(sys.argv[1]), json.loads(sys.argv[2])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
