"""Of the programs on this machine only those of chosen users are let through to an application on loopback."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from lakehouse_assets.loopback import free_port, listener, peer_user
from lakehouse_assets.serve.peer import OnlyUsers
from lakehouse_assets_tests.other_user import by_other_user, require_other_user, uid

ASKING = """
import http.client, sys
asked = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=30)
asked.request("GET", "/")
print(asked.getresponse().status)
"""
# A socket that its program has let go of is shown as root's by older kernels.
ASKING_AND_LEAVING = """
import socket, struct, sys
for way in range(60):
    asked = socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=30)
    if way % 3 == 2:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    if way % 3 == 1:
        asked.shutdown(socket.SHUT_WR)
        asked.recv(1000)
    asked.close()
"""


class Answering:
    """An application that counts what reaches it."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await PlainTextResponse("answer")(scope, receive, send)


@contextmanager
def served(*users: int) -> Iterator[tuple[int, Answering]]:
    """The port of a server with such an application, and the application."""
    behind = Answering()
    config = uvicorn.Config(OnlyUsers(behind, users), log_level="error", lifespan="off")
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        yield bound.getsockname()[1], behind
        server.should_exit = True
        thread.join(timeout=30)


def ask(port: int) -> int:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked.request("GET", "/")
    status = asked.getresponse().status
    asked.close()
    return status


def test_the_programs_of_the_named_users_are_answered_and_no_others() -> None:
    require_other_user()
    with served(os.geteuid()) as (port, behind):
        assert ask(port) == 200
        assert by_other_user(ASKING, "127.0.0.1", str(port)) == "403\n"
        assert behind.asked == 1
    with served(os.geteuid(), uid()) as (port, _):
        assert by_other_user(ASKING, "127.0.0.1", str(port)) == "200\n"
    with served(uid()) as (port, _):
        assert ask(port) == 403


def test_who_closes_the_connection_at_once_is_not_taken_for_somebody_else() -> None:
    require_other_user()
    with served(0) as (port, behind):
        assert by_other_user(ASKING_AND_LEAVING, "", str(port)) == ""
        assert ask(port) == 200
        assert behind.asked == 1


def test_the_other_end_of_a_connection_is_told_by_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname()) as there:
        near, _ = here.accept()
        with near:
            assert peer_user(there.getsockname(), here.getsockname()) == os.geteuid()
            assert peer_user(("127.0.0.1", 1), here.getsockname()) is None
            there.close()
            assert peer_user(near.getpeername(), here.getsockname()) is None, "its program has let go of it"


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this system has no IPv6")
def test_a_program_that_uses_ipv6_sockets_for_ipv4_is_found_like_any_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here, socket.socket(socket.AF_INET6) as there:
        there.connect(("::ffff:127.0.0.1", here.getsockname()[1]))
        near, address = here.accept()
        with near:
            assert peer_user(address, here.getsockname()) == os.geteuid()


def test_a_listener_is_a_process_that_holds_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        found = listener(os.getpid(), port)
        assert found is not None
        assert found.holds()
        assert listener(os.getppid(), port) is None, "another process"
        assert listener(2**22 + 1, port) is None, "none"
    assert not found.holds()
    with socket.create_server(("", port)) as everywhere:
        assert listener(os.getpid(), everywhere.getsockname()[1]) is None, "on loopback, another may take its place"


@pytest.mark.skipif(not Path("/proc/sys/net/ipv4").exists(), reason="this system tells of its ports in another way")
def test_a_free_port_is_none_that_the_system_gives_to_connections() -> None:
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    ports = [free_port() for _ in range(50)]
    assert max(ports) < int(first)
    assert len(set(ports)) > 40, "programs that ask at once would get the same"
    with socket.create_server(("127.0.0.1", ports[0])) as here:
        assert here.getsockname()[1] == ports[0]
