"""A web server on loopback that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """Status, body and headers; `cut` sends so many bytes of the body less than are announced."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


@dataclass
class Site:
    """Pages by path: an answer, several to be given one after the other, or a function of the request's headers.

    `sent` has the bodies of what was posted.
    """

    url: str = ""
    pages: dict[str, Answer | list[Answer] | Callable[[Message], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, Message]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def answer(self, path: str, headers: Message) -> Answer:
        self.asked.append((path, headers))
        page = self.pages.get(urlsplit(path).path, Answer(status=404))
        if isinstance(page, list):
            return page.pop(0) if len(page) > 1 else page[0]
        return page if isinstance(page, Answer) else page(headers)


def versioned(body: bytes, etag: str) -> Callable[[Message], Answer]:
    """A page with an ETag, which isn't sent to those who have it."""

    def answer(headers: Message) -> Answer:
        if headers["If-None-Match"] == etag:
            return Answer(status=304)
        return Answer(body, headers={"ETag": etag})

    return answer


@contextmanager
def serving() -> Iterator[Site]:
    """A site, until the end of the block."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = site.answer(self.path, self.headers)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # who asked has gone
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])

        def do_POST(self) -> None:
            site.sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server on loopback, until the end of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server on loopback that says to each who connects, once asked, what `talk` does; one at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
