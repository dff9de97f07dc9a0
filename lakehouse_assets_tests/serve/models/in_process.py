"""The application in this process, asked without a socket, as a server of ASGI asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Scope

from lakehouse_assets.serve.models.app import Serving, application
from lakehouse_assets.serve.models.champion import Champions
from lakehouse_assets.serve.models.registry import Champion
from lakehouse_assets_tests.serve.models.shelf import JSON, Answer

Ask = Callable[..., Answer]


def asking(champion: Champion, **served: Any) -> Ask:
    """Posts a body, in one piece or several, to the application that serves the champion."""
    champions = Champions(champion.of.name, lambda: champion.of, lambda _: champion)
    champions.look()
    app = application(Serving(champions, **served))

    def ask(
        *parts: bytes | str, content_type: str = JSON, path: str = "/invocations", method: str = "POST", **more: str
    ) -> Answer:
        headers = {"host": "localhost", "content-type": content_type, **more}
        scope: Scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": b"",
            "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        }  # fmt: skip
        left = [part.encode(errors="surrogatepass") if isinstance(part, str) else part for part in parts]
        said = list[Message]()

        async def receive() -> Message:
            return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left)}

        async def send(message: Message) -> None:
            said.append(message)

        asyncio.run(app(scope, receive, send))
        told = {name.decode(): text.decode() for name, text in said[0]["headers"]}
        return Answer(said[0]["status"], b"".join(m.get("body", b"") for m in said), told)

    return ask
