"""Another user of this machine: programs that run as `nobody`, which only root can start."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pwd import getpwnam

import pytest

NAME = "nobody"


def require_other_user() -> None:
    """Skip the test where it can't run; in CI it must."""
    if os.geteuid() == 0 and shutil.which("setpriv") and _python():
        return
    message = f"running a program as {NAME} takes root, setpriv and a Python in /usr/bin"
    pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


def uid() -> int:
    return getpwnam(NAME).pw_uid


def by_other_user(code: str, *arguments: str) -> str:
    """What a Python program, of the standard library alone, prints when that user runs it."""
    done = subprocess.run(_command(code, arguments), capture_output=True, text=True, timeout=60, check=False, cwd="/")
    return done.stdout + done.stderr


@contextmanager
def listening_as_other_user(port: int) -> Iterator[list[str]]:
    """That user listens on the port as soon as it's free; at the end of the block, what it was sent is in the list."""
    heard = list[str]()
    command = _command(LISTENER, [str(port)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        try:
            yield heard
        finally:
            told, _ = listener.communicate("", timeout=30)  # the end of its input
            heard += told.splitlines()


LISTENER = """
import select, socket, sys, time
port, deadline = int(sys.argv[1]), time.monotonic() + 60
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        server.bind(("127.0.0.1", port))
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.01)
server.listen()
print("listening", flush=True)
while True:
    ready, _, _ = select.select([server, sys.stdin], [], [])
    if server in ready:
        client, _ = server.accept()
        client.settimeout(5)
        try:
            # A server of HTTP/2 begins with its settings (RFC 9113, 3.4), and then hears the call with its token.
            client.sendall(bytes.fromhex("000000040000000000"))
            print("heard", client.recv(65536), client.recv(65536), flush=True)
        except OSError as error:
            print("heard no more:", error, flush=True)
    elif sys.stdin in ready:
        sys.exit()
"""


def _command(code: str, arguments: list[str] | tuple[str, ...]) -> list[str]:
    user = f"--reuid={uid()}", f"--regid={getpwnam(NAME).pw_gid}", "--clear-groups"
    return ["setpriv", *user, "--", _python() or "", "-c", code, *arguments]


def _python() -> str | None:
    return next((p for v in ("3", "3.11") if (p := shutil.which(f"python{v}", path="/usr/bin:/bin"))), None)
