"""Whose programs may talk to a server of ours on loopback: those of the user who serves, of root, and of users named.

Every user of a machine can connect to its loopback. Who reaches the UI can launch runs, and those work with the rights
of the user who serves it; who reaches a model learns what it says of people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse_assets.loopback import can_tell, peer_user

KNOWN = 64  # connections whose user is remembered
REFUSED = (
    "Refused: this server is for the user who started it. To serve others, put a proxy with sign-in in front, and "
    "name the proxy's user in --trusted-user.\n"
)


class OnlyUsers:
    """ASGI middleware that answers 403 to a program of this machine whose user isn't one of these.

    Who is at the other end is looked up once for a connection, as the kernel takes 1 to 8 ms to tell. A connection is
    known by the very object that the server has for its address: a tuple that's equal may be that of a later one.
    """

    def __init__(self, app: ASGIApp, users: Collection[int]) -> None:
        self.app, self.users = app, frozenset(users)
        self._known = deque[object](maxlen=KNOWN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not can_tell() or self._may(scope):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(REFUSED, status_code=403)(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        client = scope.get("client")
        if any(known is client for known in self._known):
            return True
        if _peer(scope) not in self.users:
            return False
        self._known.append(client)
        return True


def _peer(scope: Scope) -> int | None:
    client, server = scope.get("client"), scope.get("server")
    return peer_user(tuple(client), tuple(server)) if client and server else None
