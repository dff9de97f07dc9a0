"""An account of Azure Storage as a machine in Azure has it: by HTTPS under its own name, for a managed identity.

Azurite has the account's certificate. What a process asks of `ACCOUNT.blob.core.windows.net` goes through a proxy that
leads there, and its token comes from an endpoint like that of App Service. Azurite looks at what is in a token, and
not at who signed it.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lakehouse_assets_tests.servers.azurite import ACCOUNT, KEY, Azurite
from lakehouse_assets_tests.servers.azurite import running as azurite_running

HOST = f"{ACCOUNT}.blob.core.windows.net"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Account:
    """A running account: the variables by which a process reaches it, and its certificate."""

    azurite: Azurite
    environment: Mapping[str, str]
    certificate: Path

    def make(self, container: str) -> None:
        """Make a container."""
        with self._service() as service:
            service.create_container(container)

    def blobs(self, container: str) -> dict[str, str]:
        """The text of each blob of a container."""
        with self._service() as service:
            found = service.get_container_client(container)
            return {name: found.download_blob(name).readall().decode() for name in found.list_blob_names()}

    def _service(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        url = f"https://127.0.0.1:{self.azurite.blobs}/{ACCOUNT}"
        return BlobServiceClient(url, credential=KEY, connection_verify=str(self.certificate))


@contextmanager
def running(folder: Path) -> Iterator[Account]:
    """The account, until the end of the block."""
    certificate, key = _certified(folder)
    with azurite_running(folder, "--oauth", "basic", "--cert", str(certificate), "--key", str(key)) as azurite:
        _Way.blobs = azurite.blobs
        with ThreadingHTTPServer(("127.0.0.1", 0), _Way) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}"
            try:
                yield Account(azurite, _environment(address, certificate), certificate)
            finally:
                server.shutdown()


def _environment(address: str, certificate: Path) -> dict[str, str]:
    return {
        "HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1,localhost", "REQUESTS_CA_BUNDLE": str(certificate),
        "IDENTITY_ENDPOINT": f"{address}/token", "IDENTITY_HEADER": "of this machine",
    }  # fmt: skip


def _certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for the account, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now, names = datetime.now(UTC), [x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))]
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - DAY).not_valid_after(now + DAY)
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    form, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(form))
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(key.private_bytes(form, serialization.PrivateFormat.PKCS8, plain))
    return folder / "certificate.pem", folder / "key.pem"


def _token(until: int) -> str:
    """A token for storage, as Microsoft Entra makes them, but for its signature."""
    now = int(time.time())
    tenant = "00000000-0000-0000-0000-000000000000"
    claims = {
        "aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{tenant}/", "tid": tenant, "ver": "1.0",
        "iat": now, "nbf": now - 60, "exp": until, "oid": tenant, "sub": tenant,
    }  # fmt: skip
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2lnbmVk"])


class _Way(BaseHTTPRequestHandler):
    blobs: int

    def do_CONNECT(self) -> None:
        """Lead to Azurite whoever asks for the account."""
        if self.path != f"{HOST}:443":
            self.send_error(403, f"{self.path} is not the account")
            return
        with socket.create_connection(("127.0.0.1", self.blobs), timeout=60) as there:
            self.send_response_only(200)
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(there, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, there)
            back.join()

    def do_GET(self) -> None:
        """Give out a token, as App Service does to the programs that it runs."""
        if not self.path.startswith("/token") or self.headers["X-IDENTITY-HEADER"] != "of this machine":
            self.send_error(401)
            return
        until = int(time.time()) + 3600
        told = {"access_token": _token(until), "expires_on": str(until), "token_type": "Bearer", "resource": "storage"}
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
