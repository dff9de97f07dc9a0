"""Who is at the end of a loopback connection, by Linux's own table of sockets; on other systems that can't be told.

A port number is no proof: every user of a machine may listen on a free one, and connect to any.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

# The second is for programs that use IPv6 sockets for IPv4 too, as Java does.
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"  # TCP_LISTEN in linux/tcp_states.h
LOOKS = 3  # the kernel gives a table and a folder piece by piece, and leaves out a line when others go meanwhile
# Below those that a system gives its outgoing connections by itself: from 32768 in Linux, from 49152 elsewhere.
PORTS = range(20_000, 32_768)
Address = tuple[str, int]


@dataclass(frozen=True)
class Socket:
    """A line of the table: both ends, the state, the user who made it, and its inode (0 once its program let go)."""

    local: Address
    remote: Address
    state: str
    user: int
    inode: int


@dataclass(frozen=True)
class Listener:
    """The listening socket of a process: as long as the process holds it, nobody else can listen on its port."""

    pid: int
    descriptor: int
    inode: int

    def holds(self) -> bool:
        """Whether the process still has the socket."""
        return _link(f"/proc/{self.pid}/fd/{self.descriptor}") == f"socket:[{self.inode}]"


def can_tell() -> bool:
    """Whether this system has the table of sockets."""
    return TABLES[0].exists()


def listener(pid: int, port: int) -> Listener | None:
    """The socket by which a process listens on 127.0.0.1, or None if another process does, or none."""
    looks = (_look(pid, port) for _ in range(LOOKS))
    return next((found for found in looks if found), None)


def _look(pid: int, port: int) -> Listener | None:
    at = ("127.0.0.1", port)
    inodes = {f"socket:[{s.inode}]": s.inode for s in _sockets(port) if s.local == at and s.state == LISTENING}
    with suppress(OSError):  # the process is gone, or it's another user's
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - an engine has hundreds, of which a path costs more
            if (inode := inodes.get(_link(f"/proc/{pid}/fd/{name}"))) is not None:
                return Listener(pid, int(name), inode)
    return None


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, for a program that begins to a little later.

    No connection takes it meanwhile as its own end, as it would one that the system chose.
    """
    for _ in PORTS:
        port = secrets.choice(PORTS)
        with socket.socket() as found:
            if not _taken(found, port):
                return port
    raise OSError(errno.EADDRINUSE, f"All ports of 127.0.0.1 from {PORTS[0]} to {PORTS[-1]} are taken")


def _taken(by: socket.socket, port: int) -> bool:
    try:
        by.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return True
    return False


def peer_user(peer: Address, here: Address) -> int | None:
    """The id of the user whose program is connected from `peer` to `here`; None if no program of this machine is.

    A socket that its program let go has no inode, and older kernels show it as root's: it counts as nobody's.
    """
    found = (s for s in _sockets(peer[1]) if s.local == _plain(peer) and s.remote == _plain(here) and s.inode)
    return next((socket.user for socket in found), None)


def _sockets(port: int) -> Iterator[Socket]:
    """The sockets of this machine with that local port."""
    mark = f":{port:04X} "
    for table in TABLES:
        with suppress(FileNotFoundError):  # IPv6 may be switched off
            for line in table.read_text().splitlines()[1:]:
                if mark in line:
                    _, local, remote, state, _, _, _, user, _, inode, *_ = line.split()
                    yield Socket(_address(local), _address(remote), state, int(user), int(inode))


def _address(text: str) -> Address:
    """An address as the kernel writes it: words of four bytes in the machine's order, then the port, in hexadecimal."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return _plain((str(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)), int(port, 16)))


def _plain(address: Address) -> Address:
    """The address with an IPv4 one that is written as IPv6 in its own form."""
    host, port = address
    mapped = IPv6Address(host).ipv4_mapped if ":" in host else None
    return str(mapped) if mapped else host, port


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""
