"""What a browser may ask of the UI: anything from its own pages, nothing from the pages of others.

Dagster's web server runs a mutation that comes as `GET /graphql?query=…` or as a text/plain POST, whatever the Origin
and the Host. So any web page open on the machine could launch runs, though the server listens on loopback only. Two
middlewares close that: Starlette's TrustedHostMiddleware answers 400 to a foreign Host (DNS rebinding), and
`SameOriginOnly` answers 403 to what `refusal` names. Programs send no Origin and are let through, if they are of a user
who may (peer.py); beyond loopback, who may reach the port is the business of a proxy with sign-in.

Dagster's web server reads a body whole before it looks at it. `BodyLimit` answers 413 to one that is too long.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakehouse_assets.serve.peer import OnlyUsers

# The longest that the UI sends is a run's configuration.
BODY_BYTES = 20_000_000

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

# The application reads the first of several headers; a proxy in between may have judged by the last.
_SINGLE = ("host", "origin", "content-type", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


def guard(trusted_hosts: Sequence[str], users: Sequence[int] | None = None) -> list[Middleware]:
    """The middlewares to put before an application, outermost first; `users` None for an address beyond loopback."""
    hosts = [*LOOPBACK_HOSTS, *trusted_hosts]
    ours = [] if users is None else [Middleware(OnlyUsers, users=users)]
    vetted = Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    return [*ours, vetted, Middleware(SameOriginOnly), Middleware(BodyLimit)]


class SameOriginOnly:
    """ASGI middleware that answers 403, with the reason, to every request that `refusal` names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif reason := refusal(scope):
            await PlainTextResponse(f"Refused: {reason}.\n", status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, _keeping_to_itself(send))


def refusal(scope: Scope) -> str | None:
    """Why this request or websocket handshake is refused, or None."""
    if reason := foreign(scope):
        return reason
    return None if scope["type"] == "websocket" else _unsafe_form(Headers(scope=scope), scope)


def foreign(scope: Scope) -> str | None:
    """Why it's taken for a request that another site's page has a browser send, or None."""
    headers = Headers(scope=scope)
    if repeated := [name for name in _SINGLE if len(headers.getlist(name)) > 1]:
        return f"more than one {repeated[0]} header"
    if _origin_is_foreign(headers):
        return "the request comes from a page of another origin"
    if _fetched_by_another_site(headers, scope):
        return "the request comes from another site"
    return None


def _origin_is_foreign(headers: Headers) -> bool:
    """A foreign Origin differs from the Host, which TrustedHostMiddleware has vetted; so does the Origin `null`."""
    origin, host = headers.get("origin"), headers["host"].lower()
    return origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}")


def _fetched_by_another_site(headers: Headers, scope: Scope) -> bool:
    """By the browser's own word (https://web.dev/articles/fetch-metadata), save for following a link to a page.

    `same-site` is foreign too: a page of another port of localhost is such.
    """
    followed_link = (
        scope.get("method") == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not followed_link


def _unsafe_form(headers: Headers, scope: Scope) -> str | None:
    """Queries only in a JSON body: a browser asks leave (preflight) for that, and never gets it from Dagster.

    Only the media type itself counts: `text/plain; application/json` needs no leave, and Dagster takes it for JSON.
    The prefix covers `/graphql%0A`, which Starlette routes to `/graphql`.
    """
    if scope["method"] not in ("GET", "HEAD"):
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        return None if media_type == "application/json" else "the content type must be application/json"
    if scope["path"].startswith("/graphql") and scope["query_string"]:
        return "a GraphQL query must be a POST with a JSON body"
    return None


def _keeping_to_itself(send: Send) -> Send:
    """Add the headers that keep other pages from framing the UI (clickjacking) or embedding what it serves, and its own
    from loading pictures from other hosts.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "SAMEORIGIN"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            # Beside Dagster's own policy, which lets pictures come from any host: both have to allow it.
            headers.append("Content-Security-Policy", "img-src 'self' data: blob:")
        await send(message)

    return send_with_headers


class BodyLimit:
    """ASGI middleware that answers 413 to a request whose body is longer than `most` bytes, announced or not."""

    def __init__(self, app: ASGIApp, most: int = BODY_BYTES) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, send, self.most)
        if body.is_announced_longer(Headers(scope=scope)):
            await self._refuse(scope, receive, send)
            return
        try:
            await self.app(scope, body.receive, body.send)
        except _TooLong:
            if not body.answered:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = f"Refused: the body is longer than {self.most:,} bytes.\n"
        # What is still to come is read by nobody.
        await PlainTextResponse(told, status_code=413, headers={"Connection": "close"})(scope, receive, send)


class _TooLong(Exception):
    """The application was about to be given more than it may have."""


class _Body:
    """The two ends of a request, which count what comes in and remember whether an answer has begun."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._left = receive, send, most
        self.answered = False

    def is_announced_longer(self, headers: Headers) -> bool:
        length = headers.get("content-length", "")
        return length.isdecimal() and (len(length) > 18 or int(length) > self._left)

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLong
        return message

    async def send(self, message: Message) -> None:
        if self._left < 0 and not self.answered:  # the application took it for another error
            raise _TooLong
        self.answered = True
        await self._send(message)
