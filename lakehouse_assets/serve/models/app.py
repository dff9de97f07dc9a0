"""The paths of MLflow's scoring protocol, and `/champion`, as an ASGI application."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse_assets.serve.guard import LOOPBACK_HOSTS, foreign
from lakehouse_assets.serve.models.champion import Champions
from lakehouse_assets.serve.models.input.frame import Lookup
from lakehouse_assets.serve.models.record import Recorder
from lakehouse_assets.serve.models.refused import Refused
from lakehouse_assets.serve.models.score import score
from lakehouse_assets.serve.peer import OnlyUsers

BODY_BYTES = 20_000_000
THREADS = 4  # that parse and check bodies, and of which one at a time predicts
_REQUEST_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Serving:
    """What a server answers with: the model, what fills in features, where requests are recorded, and for whom."""

    champions: Champions
    lookup: Lookup | None = None
    recorder: Recorder | None = None
    body_bytes: int = BODY_BYTES
    users: Sequence[int] | None = None


def application(serving: Serving) -> Starlette:
    """The application; with `users`, it answers their programs alone."""
    service = _Service(serving, ThreadPoolExecutor(THREADS, "scoring"))
    ours = [] if serving.users is None else [Middleware(OnlyUsers, users=serving.users)]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_HOSTS), www_redirect=False)
    return Starlette(
        routes=[
            Route("/invocations", service.invocations, methods=["POST"]),
            Route("/ping", service.ping),
            Route("/health", service.ping),
            Route("/version", service.version),
            Route("/champion", service.champion),
        ],
        middleware=[*ours, hosts, Middleware(_NoOtherSite)],
        exception_handlers={HTTPException: _unknown, Refused: _refused, Exception: _unexpected},
    )


@dataclass(frozen=True)
class _Service:
    serving: Serving
    threads: ThreadPoolExecutor

    async def invocations(self, request: Request) -> Response:
        """Score a body, in a thread: meanwhile the loop goes on to take and answer others."""
        try:
            body = await _body(request, self.serving.body_bytes)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # which nobody reads
        current = self.serving.champions.current
        work = partial(score, current, body, request.headers.get("content-type", ""), self.serving.lookup)
        scored = await asyncio.get_running_loop().run_in_executor(self.threads, work)
        request_id = _request_id(request)
        if self.serving.recorder:
            self.serving.recorder.put(request_id, scored)
        told = {"X-Request-Id": request_id, "X-Model-Version": scored.of.version, "X-Model-Run-Id": scored.of.run_id}
        return Response(scored.body, media_type="application/json", headers=told)

    async def ping(self, _: Request) -> Response:
        """200 once a version is loaded."""
        status = HTTPStatus.OK if self.serving.champions.current else HTTPStatus.SERVICE_UNAVAILABLE
        return Response("\n", status, media_type="application/json")

    async def version(self, _: Request) -> Response:
        """MLflow's version."""
        return Response(version("mlflow"), media_type="application/json")

    async def champion(self, _: Request) -> Response:
        """Which version is served, which isn't and why, and the state of the prediction log."""
        recorder = self.serving.recorder
        counts = {"written": recorder.counts.written, "dropped": recorder.counts.dropped} if recorder else None
        return JSONResponse({**self.serving.champions.status(), "recorded": counts})


class _NoOtherSite:
    """ASGI middleware that answers 403 to what a page of another site has a browser send."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = foreign(scope) if scope["type"] == "http" else None
        answer = _told(HTTPStatus.FORBIDDEN, "PERMISSION_DENIED", f"Refused: {reason}.") if reason else self.app
        await answer(scope, receive, send)


async def _body(request: Request, most: int) -> bytes:
    announced, parts, length = request.headers.get("content-length", ""), list[bytes](), 0
    too_long = Refused(f"The body is longer than {most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
        raise too_long
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise too_long
        parts.append(part)
    return b"".join(parts)


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _told(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error_code": code, "message": message}, status, headers=headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  (what it's registered for)
    # What is still to come of a body that is too long is read by nobody.
    closing = {"Connection": "close"} if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    return _told(error.status, error.code, str(error), closing)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (what it's registered for)
    if error.status_code == HTTPStatus.NOT_FOUND:
        said = "There is no such path; POST to /invocations, or GET /ping, /health, /version or /champion."
        return _told(error.status_code, "ENDPOINT_NOT_FOUND", said)
    takes = dict(error.headers or {})
    said = f"{request.url.path} doesn't take {request.method}; it takes {takes.get('Allow', 'other methods')}."
    return _told(error.status_code, "BAD_REQUEST", said, takes)


async def _unexpected(_: Request, __: Exception) -> Response:
    said = "The server failed; its log has the details."
    return _told(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", said)
