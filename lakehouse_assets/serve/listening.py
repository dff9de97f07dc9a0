"""Where a server of ours listens, and for which users of this machine."""

from __future__ import annotations

import errno
import os
import pwd
import socket
from collections.abc import Sequence

from lakehouse_assets.engine.errors import LakehouseError


class ServeError(LakehouseError):
    """Serving cannot begin; the message says why and what to do."""


def bound(host: str, port: int) -> socket.socket:
    """The listening socket. Raises ServeError when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as refused:
        taken = isinstance(refused, OSError) and refused.errno == errno.EADDRINUSE
        reason = "something else listens there" if taken else str(refused)
        raise ServeError(f"cannot listen on {host}:{port} ({reason}); choose another --port") from refused


def user_ids(names: Sequence[str]) -> tuple[int, ...]:
    """The ids of this user, of root, and of the users of those names. Raises ServeError for one that isn't there."""
    found = [os.geteuid(), 0]
    for name in names:
        try:
            found.append(pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise ServeError(f"--trusted-user {name!r} is no user of this machine; give the name of one") from None
    return tuple(found)
