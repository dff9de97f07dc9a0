"""A Databricks workspace on loopback, run as a process of its own: it speaks the REST that Databricks' SDK speaks to
jobs, files and secrets, and really runs the wheels that are submitted, on the Spark of SPARK_REMOTE or, for serverless
compute, on that as `serverless.py` has it.

    python -m lakehouse_assets_tests.servers.databricks_workspace FOLDER

What it may write is in FOLDER, where `/Volumes` would be. Libraries are installed there, without what they depend on,
which this Python has as a runtime would. What a wheel of a team's own would have is in FOLDER/site. The address is in
FOLDER/address once it listens. A test tells it what goes wrong next by `POST /test/faults`, and asks what it has seen
by `GET /test/seen`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lakehouse_assets_tests.servers.databricks_account import answer_of_account
from lakehouse_assets_tests.servers.databricks_runs import TOKEN, Json, Run, Workspace
from lakehouse_assets_tests.servers.serverless import serverless

CLIENT = "lakehouse:of its own"  # an OAuth client and its secret


class Handler(BaseHTTPRequestHandler):
    """Answers a request as the service does."""

    protocol_version = "HTTP/1.1"
    workspace: Workspace

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith("/test/"):
            self._answer(200, self._of_test(path, body))
            return
        self.workspace.calls[f"{self.command} {path.split('/Volumes')[0].split(str(self.workspace.folder))[0]}"] += 1
        if path.startswith("/oidc/"):
            self._answer(*self._of_oauth(path))
            return
        fault = self.workspace.fault(f"{self.command} {path}")
        if fault.get("drop") == "before":
            self.close_connection = True
            return
        if status := fault.get("status"):
            self._answer(status, {"error_code": fault.get("code", "BUSY"), "message": "not now"}, {"Retry-After": "1"})
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error_code": "UNAUTHENTICATED", "message": "who are you?"})
            return
        status, answer = self._of_service(path, body)
        if fault.get("drop") == "after":
            self.close_connection = True
            return
        self._answer(status, answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle

    def _of_test(self, path: str, body: bytes) -> Any:
        if path == "/test/faults":
            self.workspace.faults = json.loads(body)
        if path == "/test/others":
            self.workspace.others = json.loads(body)
        if path == "/test/cancel":
            self.workspace.cancel(self.workspace.runs[max(self.workspace.runs)])
        return self.workspace.seen()

    def _of_oauth(self, path: str) -> tuple[int, Any]:
        """A token for the one client that is known, by its secret."""
        if path.endswith("/.well-known/oauth-authorization-server"):
            at = self.workspace.address
            return 200, {"authorization_endpoint": f"{at}/oidc/v1/authorize", "token_endpoint": f"{at}/oidc/v1/token"}
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(CLIENT.encode()).decode()}":
            return 401, {"error": "invalid_client", "error_description": "that isn't its secret"}
        return 200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}

    def _of_service(self, path: str, body: bytes) -> tuple[int, Any]:
        if path.startswith("/api/2.0/fs/"):
            return self._of_files(path.removeprefix("/api/2.0/fs/"), body)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        asked |= json.loads(body) if body else {}
        if (found := answer_of_account(self.workspace.folder, path, asked)) is not None:
            return found
        if path.startswith("/api/2.0/secrets/"):
            return self._of_secrets(path, asked)
        if path == "/api/2.0/workspace/get-status":
            place = self.workspace.folder / f"Workspace{asked['path']}"
            if place.exists():
                return 200, {"size": place.stat().st_size}
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"{asked['path']} is not there"}
        if path == "/api/2.2/jobs/runs/submit":
            return 200, self.workspace.submit(asked)
        if path in ("/api/2.2/jobs/list", "/api/2.2/jobs/get", "/api/2.2/jobs/runs/list"):
            return self._of_others(path, asked)
        if others := [r for job in self.workspace.others for r in job["runs"] if str(r["run_id"]) == asked["run_id"]]:
            return 200, others[0] | {"logs": "", "error": others[0].get("error", "")}
        run = self.workspace.runs.get(int(asked.get("run_id", 0)) // (100 if path.endswith("get-output") else 1))
        if run is None:
            return 400, {
                "error_code": "INVALID_PARAMETER_VALUE",
                "message": f"Run {asked.get('run_id')} does not exist.",
            }
        key = run.job["tasks"][int(asked["run_id"]) % 100]["task_key"] if path.endswith("get-output") else ""
        if run.ends.get(key) == "UPSTREAM_FAILED":
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "The run has no output, it never started."}
        return 200, self._of_run(path, run, key)

    def _of_others(self, path: str, asked: Json) -> tuple[int, Any]:
        """Jobs that others own: names without regard to case, runs by their start, newest first, page by page."""
        jobs = self.workspace.others
        if path.endswith("runs/list"):
            since, at = int(asked.get("start_time_from", 0)), int(asked.get("page_token", 0))
            runs = [r for job in jobs if str(job["job_id"]) == asked["job_id"] for r in job["runs"]]
            runs = [r for r in runs if r["start_time"] >= since and (r["end_time"] or "completed_only" not in asked)]
            runs.sort(key=lambda r: (r["start_time"], r["run_id"]), reverse=True)
            more = {"next_page_token": str(at + int(asked["limit"]))} if runs[at + int(asked["limit"]) :] else {}
            return 200, {"runs": runs[at : at + int(asked["limit"])], **more}
        told = [{"job_id": job["job_id"], "settings": {"name": job["name"]}} for job in jobs]
        if path.endswith("/list"):
            return 200, {"jobs": [it for it in told if it["settings"]["name"].lower() == asked["name"].lower()]}
        mine = [it for it in told if str(it["job_id"]) == asked["job_id"]]
        missing = {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Job {asked['job_id']} does not exist."}
        return (200, mine[0]) if mine else (400, missing)

    def _of_run(self, path: str, run: Run, key: str) -> Json:
        match path:
            case "/api/2.2/jobs/runs/get":
                return run.told(self.workspace.address)
            case "/api/2.2/jobs/runs/get-output":
                error = run.errors.get(key, "")
                ended = {"error": error.strip().splitlines()[-1], "error_trace": error} if error else {}
                return {"logs": run.printed.get(key, ""), **ended}
            case "/api/2.2/jobs/runs/cancel":
                self.workspace.cancel(run)
                return {}
        raise NotImplementedError(path)

    def _of_secrets(self, path: str, asked: Json) -> tuple[int, Any]:
        there = json.loads((self.workspace.folder / "secrets.json").read_text()).get(asked["scope"])
        if there is None:
            message = f"Scope {asked['scope']} does not exist!"
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}
        if path.endswith("/list"):
            return 200, {"secrets": [{"key": key} for key in there]}
        return 200, {"key": asked["key"], "value": base64.b64encode(there[asked["key"]].encode()).decode()}

    def _of_files(self, path: str, body: bytes) -> tuple[int, Any]:
        kind, _, name = path.partition("/")
        place = Path(f"/{name}")
        if self.workspace.folder not in place.parents:
            return 403, {"error_code": "PERMISSION_DENIED", "message": f"{place} is in no volume of yours"}
        match kind, self.command:
            case "directories", "PUT":
                place.mkdir(parents=True, exist_ok=True)
            case "directories", "DELETE" if place.is_dir():
                place.rmdir()
            case "directories", "GET" if place.is_dir():
                found = [{"name": it.name, "path": str(it), "is_directory": it.is_dir()} for it in place.iterdir()]
                return 200, {"contents": found}
            case "files", "PUT" if place.exists() and "overwrite=true" not in self.path.lower():
                return 409, {"error_code": "ALREADY_EXISTS", "message": f"{place} is there"}
            case "files", "PUT" if place.parent.is_dir():  # whole at once, as in a volume
                (self.workspace.folder / f"upload-{id(body)}").write_bytes(body)
                (self.workspace.folder / f"upload-{id(body)}").replace(place)
            case "files", "DELETE" if place.is_file():
                place.unlink()
            case "files", "GET" | "HEAD" if place.is_file():
                return 200, place.read_bytes()
            case _:
                return 404, {"error_code": "NOT_FOUND", "message": f"{place} is not there"}
        return 204, b""

    def _answer(self, status: int, told: Any, headers: Json | None = None) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(told, bytes) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    """Serve until the process is ended."""
    # Dagster lets SIGTERM do what SIGINT does, which a shell that isn't interactive has its background jobs ignore; and
    # what a process ignores, so do those that it starts: this one, and its jobs, which are cancelled by it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder / "installed", ignore_errors=True)
    Handler.workspace = Workspace(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.workspace.address = f"http://127.0.0.1:{server.server_port}"
    with serverless(os.environ["SPARK_REMOTE"]) as compute:
        Handler.workspace.serverless = compute.url
        (folder / "address.new").write_text(Handler.workspace.address)
        (folder / "address.new").rename(folder / "address")
        server.serve_forever()


if __name__ == "__main__":
    main()
