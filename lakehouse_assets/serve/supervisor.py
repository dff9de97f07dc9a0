"""Starts the code server, the web server and the daemon, and answers for all three until it is stopped."""

import contextlib
import fcntl
import http.client
import ipaddress
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse_assets.engine.errors import UnsafeFolder
from lakehouse_assets.engine.printable import printable, printable_lines
from lakehouse_assets.folders import private_folder, refuse_unsafe
from lakehouse_assets.private.dagster import DAEMON
from lakehouse_assets.serve.listening import ServeError, bound, user_ids
from lakehouse_assets.serve.processes import ChildDied, Group, StopRequested, process_group
from lakehouse_assets.serve.signals import caught_signals

DEFINITIONS = "lakehouse_assets.definitions"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """Where to listen, the names of other hosts that may be used to reach it, and who may on this machine.

    `mlflow` is the port of MLflow's UI on loopback, if that is to be served too.
    """

    host: str
    port: int
    trusted_hosts: tuple[str, ...] = ()
    users: tuple[int, ...] = ()
    mlflow: int | None = None

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{self.trusted_hosts[0] if self.trusted_hosts else _bracketed(self.host)}:{self.port}"


def serve(
    port: int = 3000,
    host: str = LOOPBACK,
    *,
    module: str = DEFINITIONS,
    allow_remote: bool = False,
    trusted_hosts: Sequence[str] = (),
    trusted_users: Sequence[str] = (),
    mlflow: int | None = None,
) -> int:
    """Serve the current folder's lakehouse until Ctrl-C, SIGTERM or SIGHUP, and leave no process behind.

    Returns 0 when stopped, 1 when a part of it died, 2 when it could not begin. Port 0 takes a free one. Beyond
    loopback only with `allow_remote` and the names in `trusted_hosts` by which people reach it, behind a sign-in. On
    loopback it answers the programs of this user and of root, and those of `trusted_users`, as of a proxy. MLflow's UI
    is served too on the port `mlflow` of loopback, if one is given.
    """
    names = (trusted_hosts,) if isinstance(trusted_hosts, str) else tuple(trusted_hosts)
    try:
        _refuse_exposure(host, allow_remote, names)
        _serve(Address(host, port, names, user_ids(trusted_users), mlflow), module, _project_folder())
    except StopRequested:
        print("Stopped.", flush=True)
        return 0
    except (ChildDied, ServeError, UnsafeFolder) as problem:
        print("\n".join(printable_lines(f"lakehouse dev: {problem}")), file=sys.stderr, flush=True)
        return 1 if isinstance(problem, ChildDied) else 2
    return 0


def _serve(wanted: Address, module: str, folder: Path) -> None:
    """Hold the port, the lock and the processes, each released in reverse. Raises what ends it; never returns."""
    with contextlib.ExitStack() as held:
        signals = held.enter_context(caught_signals())
        held.enter_context(_only_server_of(folder))
        listener = held.enter_context(bound(wanted.host, wanted.port))
        models = held.enter_context(bound(LOOPBACK, wanted.mlflow)) if wanted.mlflow is not None else None
        address = replace(wanted, port=listener.getsockname()[1])
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="lakehouse-")))
        group = held.enter_context(process_group(_environment(folder), signals, scratch))
        _start_ui(group, scratch, module, listener, address)
        group.watch(until=lambda: _answers(address, "/server_info"))
        print(printable(f"The lakehouse is at {address.url} (Ctrl-C stops it)"), flush=True)
        # The daemon starts last: the UI does not need it to answer, and on two cores it would cost it seconds.
        group.start("daemon", [*_dagster(DAEMON), "run", "--workspace", str(scratch / "workspace.json")])
        if models is not None:
            _start_mlflow(group, models, address.users)
        group.watch(until=lambda: False)


def _start_ui(group: Group, scratch: Path, module: str, listener: socket.socket, address: Address) -> None:
    """Start the code server and, beside it, the web server, which waits for it.

    They meet on a unix socket in a folder that only this user may enter: the code server runs whatever it is sent.
    """
    code_server, workspace = scratch / "code.sock", scratch / "workspace.json"  # JSON is YAML
    location = {"socket": str(code_server), "host": "localhost", "location_name": module}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
    code = ["code-server", "start", "--socket", str(code_server), "--module-name", module, "--log-level", "warning"]
    group.start("code server", [*_dagster("dagster"), *code, "--location-name", module])
    web = ["--workspace", str(workspace), "--code-server", str(code_server), "--listener", str(listener.fileno())]
    names = [f"--trusted-host={name}" for name in address.trusted_hosts]
    users = [f"--user={user}" for user in address.users] if _is_loopback(address.host) else []
    server = [*_dagster("lakehouse_assets.serve.webserver"), *web, *names, *users]
    group.start("web server", server, [listener.fileno()])
    listener.close()


def _start_mlflow(group: Group, listener: socket.socket, users: Sequence[int]) -> None:
    """Start MLflow's UI, and say where it is once it answers."""
    address = Address(LOOPBACK, listener.getsockname()[1])
    given = ["--listener", str(listener.fileno()), *(f"--user={user}" for user in users)]
    group.start("MLflow", [*_dagster("lakehouse_assets.serve.mlflow_ui"), *given], [listener.fileno()])
    listener.close()
    group.watch(until=lambda: _answers(address, "/health"))
    print(f"MLflow's UI is at {address.url}", flush=True)


def _dagster(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _environment(folder: Path) -> Mapping[str, str]:
    """The environment of every child: telemetry off, and the project's dagster.yaml as the instance.

    Dagster looks for that file in DAGSTER_HOME. Unless the user has one, it is .dagster/ with a link to the project's.
    Raises UnsafeFolder for one that others can change: the file says what is run.
    """
    if given := os.environ.get("DAGSTER_HOME"):
        refuse_unsafe(Path(given), "Dagster's folder")
    home = folder / ".dagster"
    link = home / "dagster.yaml"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("..", "dagster.yaml"))
    return {
        "DAGSTER_HOME": str(home),
        **os.environ,
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # As `dagster dev`: a definition that fails to load is reported once, without the frames of Dagster itself.
        "DAGSTER_IS_DEV_CLI": "1",
        "DAGSTER_verbose": "",
        "PYTHONUNBUFFERED": "1",
    }


def _project_folder() -> Path:
    folder = Path.cwd()
    if not (folder / "dagster.yaml").is_file():
        raise ServeError(f"there is no dagster.yaml in {folder}; start it in the folder of the project")
    return folder


def _refuse_exposure(host: str, allow_remote: bool, trusted_hosts: Sequence[str]) -> None:
    """Raise ServeError for an address that others can reach, unless that was asked for by name."""
    for name in trusted_hosts:
        if not _is_host(name):
            raise ServeError(
                f"{name!r} can't be trusted: a trusted host is a full name, as lake.example.com, without scheme, port,"
                " path or wildcard, which would trust every page on the network; an IPv6 address is in brackets"
            )
    if _is_loopback(host):
        return
    if not allow_remote:
        raise ServeError(
            f"{host} can be reached by others and the UI has no sign-in; keep 127.0.0.1,"
            " or put a proxy with sign-in in front and add --allow-remote --trusted-host NAME"
        )
    if not trusted_hosts:
        raise ServeError("--allow-remote needs --trusted-host NAME, the name by which people reach the UI")


def _is_host(name: str) -> bool:
    """Whether it's a name or address as a browser puts it into the Host header, save for the port."""
    if re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", name):
        return _is_address(name[1:-1])
    labels = name.split(".")
    # The last part of a name has a letter; else all of it is an address.
    sound = all(re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", label) for label in labels) and len(name) <= 253
    return sound and (re.search("[A-Za-z]", labels[-1]) is not None or _is_address(name))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _only_server_of(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases however we end. Raises ServeError when another has it.

    Two daemons on one instance would start every scheduled run twice.
    """
    private_folder(folder / ".dagster", "Dagster's folder")
    with (folder / ".dagster" / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServeError(f"process {lock.read()} already serves {folder}; stop it first") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _answers(address: Address, path: str) -> bool:
    """Whether a UI answers; asked directly, past any proxy of the environment."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - asked of, not bound
    connection = http.client.HTTPConnection(host, address.port, timeout=1)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
