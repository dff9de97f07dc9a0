"""Whose programs may talk to a server of ours on loopback: those of the user who serves, of root, and of users named.

Every user of a machine can connect to its loopback. Who reaches the UI can launch runs, and those work with the rights
of the user who serves it; who reaches a model learns what it says of people.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse_assets.loopback import can_tell, peer_user

REFUSED = (
    "Refused: this server is for the user who started it. To serve others, put a proxy with sign-in in front, and "
    "name the proxy's user in --trusted-user.\n"
)


class OnlyUsers:
    """ASGI middleware that answers 403 to a program of this machine whose user isn't one of these."""

    def __init__(self, app: ASGIApp, users: Collection[int]) -> None:
        self.app, self.users = app, frozenset(users)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not can_tell() or _peer(scope) in self.users:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(REFUSED, status_code=403)(scope, receive, send)


def _peer(scope: Scope) -> int | None:
    client, server = scope.get("client"), scope.get("server")
    return peer_user(tuple(client), tuple(server)) if client and server else None
