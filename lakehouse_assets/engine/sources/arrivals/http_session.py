"""How the servers of downloads are asked: with what is declared and nothing else, and not for ever.

Proxies and certificates are those of the environment (`HTTPS_PROXY`, `REQUESTS_CA_BUNDLE`); its `~/.netrc` isn't read.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from socket import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url


class Refused(Exception):
    """Why a download wasn't landed."""


class Patience:
    """The seconds that an address may take, from when it `begins`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begins()

    def begins(self) -> None:
        self.until = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        return self.until - time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Refused: the time is over then.
        """
        if seconds >= self.left:
            raise Refused(f"it takes longer than {self.seconds:,g} s; give a greater patience=… if it's meant")
        time.sleep(seconds)


def session_with(patience: Patience) -> requests.Session:
    """A session whose reading ends when the patience does, however little a server sends at a time."""
    session = _Session()
    session.auth = _as_declared
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(patience))
    return session


class _Session(requests.Session):
    """Leaves redirects to us: else it reads them, and all of their bodies, even where it's told not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def _as_declared(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands where `requests` puts in what `~/.netrc` has of the host, in place of a declared header."""
    user, password = get_auth_from_url(request.url or "")
    if user and "Authorization" not in request.headers:
        HTTPBasicAuth(user, password)(request)
    return request


class _Adapter(HTTPAdapter):
    """Its connections read through `_Reader`."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.response = _response_within(patience)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        kind: Any = pool.ConnectionCls
        if kind.response_class is not self.response:
            pool.ConnectionCls = type("Connection", (kind,), {"response_class": self.response})
        return pool


def _response_within(patience: Patience) -> type[HTTPResponse]:
    class Response(HTTPResponse):
        def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(_Reader(sock, self.fp.detach(), patience))

    return Response


class _Reader(io.RawIOBase):
    """What a socket brings, head and body, until the patience is over.

    A socket's own time limit is for each piece: a byte a minute would go on for ever.
    """

    def __init__(self, sock: socket, raw: io.RawIOBase, patience: Patience) -> None:
        self.sock, self.raw, self.patience, self.silence = sock, raw, patience, sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.patience.left
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left if self.silence is None else min(self.silence, left))
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()
