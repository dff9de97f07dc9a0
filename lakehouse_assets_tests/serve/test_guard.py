"""What the guard lets through and refuses, asked over loopback of a real Dagster web server with a job to launch."""

import contextlib
import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from lakehouse_assets.serve.guard import BODY_BYTES
from lakehouse_assets.serve.webserver import MESSAGE_BYTES, uvicorn_server

DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"
LAUNCH = """mutation { launchRun(executionParams: {runConfigData: {}, selector: {
    repositoryLocationName: "lake", repositoryName: "__repository__", jobName: "load"}}) { __typename } }"""
JSON = ("Content-Type", "application/json")
HANDSHAKE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "graphql-ws"),
)
Headers = Sequence[tuple[str, str]]


@dg.asset
def flights() -> None:
    """Flights, one row each."""


lake = dg.Definitions(assets=[flights], jobs=[dg.define_asset_job("load")])


@dataclass(frozen=True)
class Served:
    """The running server, and the instance behind it as independent witness."""

    port: int
    instance: dg.DagsterInstance

    def ask(self, method: str, path: str, headers: Headers = (), body: str = "", host: str | None = None) -> int:
        """Send exactly these headers; `%port` in a value stands for the port. The status of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in (("Host", host or "127.0.0.1:%port"), *headers):
                connection.putheader(name, value.replace("%port", str(self.port)))
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode())
            return connection.getresponse().status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copy(DAGSTER_YAML, folder)
    code = LoadableTargetOrigin(python_file=__file__, attribute="lake")
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(code, location_name="lake"))
    with (
        contextlib.chdir(folder),
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance,
        WorkspaceProcessContext(instance, target) as context,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        server = uvicorn_server(context, ["lake.example"])
        thread = threading.Thread(target=server.run, args=([listener],))
        port = listener.getsockname()[1]
        thread.start()
        yield Served(port, instance)
        server.should_exit = True
        thread.join(timeout=30)


QUERY = json.dumps({"query": "{ __typename }"})
OWN = ("Origin", "http://127.0.0.1:%port")
EVIL = ("Origin", "http://evil.example")
REPORT = "/report_asset_materialization/flights"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        pytest.param("POST", "/graphql", [JSON, OWN], QUERY, 200, id="own page asks"),
        pytest.param("POST", "/graphql", [JSON, OWN, ("Sec-Fetch-Site", "same-origin")], QUERY, 200, id="own fetch"),
        pytest.param("POST", "/graphql", [JSON], QUERY, 200, id="program without origin asks"),
        pytest.param(
            "POST", "/graphql", [("Content-Type", "application/json; charset=utf-8")], QUERY, 200, id="charset"
        ),
        pytest.param("POST", "/graphql", [JSON, EVIL], QUERY, 403, id="foreign origin"),
        pytest.param("POST", "/graphql", [JSON, ("Origin", "null")], QUERY, 403, id="sandboxed frame"),
        pytest.param("POST", "/graphql", [JSON, ("Origin", "http://127.0.0.1:1")], QUERY, 403, id="other local port"),
        pytest.param("POST", "/graphql", [JSON, ("Origin", "http://127.0.0.1")], QUERY, 403, id="origin without port"),
        pytest.param("POST", "/graphql", [JSON, ("Origin", "")], QUERY, 403, id="empty origin"),
        pytest.param(
            "POST", "/graphql", [JSON, ("Origin", "http://127.0.0.1:%port@evil.example")], QUERY, 403, id="user"
        ),
        pytest.param("POST", "/graphql", [JSON, OWN, EVIL], QUERY, 403, id="two origins"),
        pytest.param("POST", "/graphql", [JSON, ("Sec-Fetch-Site", "cross-site")], QUERY, 403, id="cross-site"),
        pytest.param("POST", "/graphql", [JSON, ("Sec-Fetch-Site", "same-site")], QUERY, 403, id="same-site"),
        pytest.param("POST", "/graphql", [], QUERY, 403, id="no content type"),
        pytest.param("POST", "/graphql", [("Content-Type", "text/plain")], QUERY, 403, id="text"),
        pytest.param(
            "POST", "/graphql", [("Content-Type", "text/plain; application/json")], QUERY, 403, id="posing text"
        ),
        pytest.param("POST", "/graphql", [("Content-Type", "application/graphql")], "{x}", 403, id="bare graphql"),
        pytest.param("POST", "/graphql", [("Content-Type", "multipart/form-data; boundary=x")], "--x", 403, id="form"),
        pytest.param("POST", "/graphql", [JSON, ("Content-Type", "text/plain")], QUERY, 403, id="two content types"),
        pytest.param("POST", "/graphql?query={__typename}", [OWN], "", 403, id="query in a posted address"),
        pytest.param("GET", "/graphql?query={__typename}", [], "", 403, id="query in an address"),
        pytest.param("GET", "/graphql?query={__typename}", [("Accept", "text/html")], "", 403, id="as a page"),
        pytest.param("GET", "/graphql%0A?query={__typename}", [], "", 403, id="behind a line feed"),
        pytest.param("OPTIONS", "/graphql", [EVIL], "", 403, id="preflight"),
        pytest.param("POST", REPORT, [JSON, OWN], "{}", 200, id="own report"),
        pytest.param("POST", REPORT, [JSON], "{}", 200, id="report by a program"),
        pytest.param("POST", REPORT, [JSON, EVIL], "{}", 403, id="foreign report"),
        pytest.param("POST", REPORT, [], "", 403, id="report without content type"),
        pytest.param("GET", "/", [], "", 200, id="the UI"),
        pytest.param("GET", "/assets/flights?view=definition", [("Accept", "text/html")], "", 200, id="a page of it"),
        pytest.param("GET", "/graphql", [("Accept", "text/html")], "", 200, id="GraphiQL"),
        pytest.param("GET", "/server_info", [], "", 200, id="server info"),
        pytest.param("GET", "/server_info", [EVIL], "", 403, id="foreign read"),
        pytest.param("GET", "/logs/a.out", [("Sec-Fetch-Site", "cross-site")], "", 403, id="log as a foreign script"),
        pytest.param(
            "GET",
            "/",
            [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
            "",
            200,
            id="a link from elsewhere",
        ),
        pytest.param(
            "GET",
            "/",
            [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
            "",
            403,
            id="a frame of another site",
        ),
    ],
)
def test_a_request_is_answered_or_refused(
    served: Served, method: str, path: str, headers: Headers, body: str, status: int
) -> None:
    assert served.ask(method, path, headers, body) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:%port", 200),
        ("LocalHost:%port", 200),
        ("[::1]:%port", 200),
        ("lake.example", 200),
        ("evil.example", 400),
        ("evil.example:%port", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1@evil.example", 400),
        ("127.0.0.1:%port@evil.example", 400),
        ("user@127.0.0.1", 400),
        ("localhost.", 400),
        ("127.0.0.1:80:80", 400),
        ("[::1", 400),
        ("2130706433", 400),
    ],
)
def test_only_the_trusted_names_are_answered(served: Served, host: str, status: int) -> None:
    assert served.ask("POST", "/graphql", [JSON], QUERY, host=host) == status


@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        pytest.param([OWN], None, 101, id="own page"),
        pytest.param([], None, 101, id="program"),
        pytest.param([EVIL], None, 403, id="foreign origin"),
        pytest.param([("Origin", "null")], None, 403, id="sandboxed frame"),
        pytest.param([("Sec-Fetch-Site", "cross-site")], None, 403, id="cross-site"),
        pytest.param([EVIL], "evil.example", 400, id="foreign host"),
    ],
)
def test_a_subscription_opens_for_own_pages_and_programs(
    served: Served, headers: Headers, host: str | None, status: int
) -> None:
    assert served.ask("GET", "/graphql", [*HANDSHAKE, *headers], host=host) == status


def test_a_page_of_another_origin_launches_no_run_and_an_own_page_does(served: Served) -> None:
    launch = json.dumps({"query": LAUNCH})
    query = "/graphql?query=" + LAUNCH.replace("\n", " ").replace(" ", "%20").replace('"', "%22")
    before = served.instance.get_runs_count()
    attempts = [
        served.ask("POST", "/graphql", [JSON, EVIL], launch),
        served.ask("POST", "/graphql", [("Content-Type", "text/plain;application/json")], launch),
        served.ask("POST", "/graphql", [JSON], launch, host="evil.example"),
        served.ask("POST", query, [("Content-Type", "text/plain"), EVIL]),
        served.ask("GET", query),
        served.ask("GET", query.replace("?", "%0A?")),
    ]
    assert attempts == [403, 403, 400, 403, 403, 403]
    assert served.instance.get_runs_count() == before
    assert served.ask("POST", "/graphql", [JSON, OWN], launch) == 200
    assert served.instance.get_runs_count() == before + 1


def test_no_other_site_may_frame_or_embed_an_answer(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.getheader("X-Frame-Options") == "SAMEORIGIN"
        assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
        policies = answer.headers.get_all("Content-Security-Policy") or []
        assert "img-src 'self' data: blob:" in policies
        assert len(policies) == 2, "Dagster's own is still there"


def answered(port: int, *pieces: bytes) -> bytes:
    """The first line of the answer to what is sent piece by piece."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return connection.makefile("rb").readline()


def head(port: int, path: str, *lines: str) -> bytes:
    told = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json", *lines, "", "")
    return "\r\n".join(told).encode()


PADDED = QUERY.encode().ljust(BODY_BYTES)


@pytest.mark.parametrize("path", ["/graphql", REPORT])
@pytest.mark.parametrize("length", [str(BODY_BYTES + 1), "9" * 18])
def test_a_body_that_is_announced_as_too_long_is_refused_before_it_is_sent(
    served: Served, path: str, length: str
) -> None:
    assert b" 413 " in answered(served.port, head(served.port, path, f"Content-Length: {length}"))


@pytest.mark.parametrize("path", ["/graphql", REPORT, "/nowhere"])
def test_a_body_in_pieces_is_refused_once_it_is_too_long(served: Served, path: str) -> None:
    piece = b"f4240\r\n" + b" " * 1_000_000 + b"\r\n"
    pieces = [piece] * (BODY_BYTES // 1_000_000)
    begun = head(served.port, path, "Transfer-Encoding: chunked")
    status = answered(served.port, begun, *pieces, b"1\r\n \r\n")
    assert b" 413 " in status if path != "/nowhere" else status


def test_a_body_as_long_as_one_may_be_is_answered(served: Served) -> None:
    begun = head(served.port, "/graphql", f"Content-Length: {BODY_BYTES}")
    assert b" 200 " in answered(served.port, begun, PADDED)


def test_a_head_without_end_is_refused(served: Served) -> None:
    begun = head(served.port, "/graphql").removesuffix(b"\r\n")
    assert b" 400 " in answered(served.port, begun, b"X: " + b"x" * 70_000)


def test_a_message_of_a_subscription_that_is_too_long_closes_it(served: Served) -> None:
    address = f"ws://127.0.0.1:{served.port}/graphql"
    with connect(address, subprotocols=[Subprotocol("graphql-ws")], max_size=None) as subscription:
        subscription.send(json.dumps({"type": "connection_init"}).ljust(MESSAGE_BYTES))
        assert json.loads(subscription.recv(timeout=30))["type"] == "connection_ack"
        subscription.send(" " * (MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosedError, match="1009"):
            subscription.recv(timeout=30)
