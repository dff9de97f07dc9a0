"""A mail server on loopback that takes mail by STARTTLS, or encrypted from the beginning, and keeps what it took."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from lakehouse_assets_tests.servers.data_factory import certificate

USER, PASSWORD = "bob", "s3cret Word/+"


@dataclass
class Post:
    """A mail server: its port, the certificate that it shows, what it answers to the text of a mail, and what it took.

    `told` has each line that it was told and how (`plain` or `tls`). `offers` are its extensions before it's encrypted.
    """

    port: int
    trusted: Path
    answer: str = "250 taken"
    offers: tuple[str, ...] = ("STARTTLS",)
    mails: list[EmailMessage] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)


class _Talk(StreamRequestHandler):
    post: Post
    tls: ssl.SSLContext
    encrypted = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def handle(self) -> None:
        with suppress(OSError):  # who asked has gone
            self._talk()

    def _talk(self) -> None:
        self.how = "tls" if self.encrypted else "plain"
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            self.post.told.append((self.how, line))
            match line.split()[0].upper():
                case "EHLO":
                    offers = ["AUTH PLAIN"] if self.how == "tls" else [*self.post.offers]
                    self._say("\r\n".join(f"250-{offer}" for offer in ["here", *offers]) + "\r\n250 8BITMIME")
                case "STARTTLS":
                    self._say("220 go on")
                    self._encrypt()
                case "AUTH":
                    good = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
                    self._say("235 welcome" if line.split()[-1] == good else f"535 no such {line}")
                case "DATA":
                    self._say("354 go on")
                    self._take()
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _encrypt(self) -> None:
        self.rfile.close()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.how = self.connection.makefile("rb"), "tls"

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        self._say(self.post.answer)
        if self.post.answer.startswith("250"):
            self.post.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))

    def _say(self, text: str) -> None:
        self.connection.sendall(f"{text}\r\n".encode())


class _AtOnceEncrypted(_Talk):
    encrypted = True

    def _talk(self) -> None:
        self._encrypt()
        super()._talk()


@contextmanager
def serving(folder: Path, *, encrypted: bool = False) -> Iterator[Post]:
    """A mail server, until the end of the block; its certificate is in the folder."""
    trusted, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    post, kind = Post(0, trusted), _AtOnceEncrypted if encrypted else _Talk
    with ThreadingTCPServer(("127.0.0.1", 0), type("Talk", (kind,), {"post": post, "tls": context})) as server:
        post.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield post
        finally:
            server.shutdown()
            thread.join()
