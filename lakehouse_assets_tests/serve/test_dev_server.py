"""`python -m lakehouse_assets.serve` as a person uses it: it starts, shows the assets, stops, and leaves nothing."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse_assets.serve import processes, serve
from lakehouse_assets_tests.other_user import by_other_user, require_other_user, uid
from lakehouse_assets_tests.servers.browser import chromium, console_errors, screenshot, wait_for_text
from lakehouse_assets_tests.servers.waiting import wait_until

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120.0  # 5 to 8 s here, more beside other work
STOP_SECONDS = 20.0
LAKE = '''"""A lake of two tables."""

import dagster as dg


@dg.asset(group_name="silver")
def flights() -> None:
    """Flights, one row each."""


@dg.asset(deps=[flights], group_name="gold")
def delays() -> None:
    """Delays of each carrier."""


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(assets=[flights, delays])
'''


ASKING = """
import sys, urllib.error, urllib.request
headers = {"Content-Type": "application/json", **({"Host": sys.argv[2]} if sys.argv[2:] else {})}
asked = urllib.request.Request(sys.argv[1], b'{"query": "{ version }"}', headers)
try:
    print(urllib.request.urlopen(asked, timeout=30).read().decode())
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""
# The kernel tells the server to stop when the test run is killed (PR_SET_PDEATHSIG is 1); it survives the exec.
TIED_TO_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True)
class Server:
    """A started server: its supervisor, where it answers, where it writes, and the project folder it serves."""

    supervisor: subprocess.Popen[bytes]
    url: str
    log: Path
    folder: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def query(self, query: str) -> dict[str, object]:
        """The data that the server's GraphQL answers."""
        body, headers = json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)  # noqa: S310 - our own http address
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            data: dict[str, object] = json.load(answer)["data"]
        return data


@contextlib.contextmanager
def started(folder: Path, *prefix: str, options: Sequence[str] = ()) -> Iterator[Server]:
    """A server in a project folder of its own, on a free port, answering; `prefix` is the shell that starts it."""
    folder.mkdir(exist_ok=True)
    shutil.copy(PROJECT / "dagster.yaml", folder)
    (folder / "lake_of_the_test.py").write_text(LAKE)
    log = folder / "server.log"
    tied = [sys.executable, "-c", TIED_TO_US, sys.executable]
    command = [*prefix, *tied, "-m", "lakehouse_assets.serve", "--port", "0", "--module", "lake_of_the_test", *options]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as supervisor,
    ):
        try:
            yield Server(supervisor, announced_url(supervisor, log), log, folder)
        finally:
            supervisor.terminate()


def announced_url(supervisor: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server prints once it answers."""
    wait_until(lambda: "lakehouse is at" in log.read_text() or supervisor.poll() is not None, START_SECONDS, log)
    announced = re.search(r"lakehouse is at (http://\S+)", log.read_text())
    assert announced, log.read_text()
    return announced[1]


def parents() -> dict[tuple[int, str], int]:
    """Every live process, by its number and its start time, which no later process shares, with its parent's number."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent, *rest = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(stat.parent.name), rest[17]] = int(parent)
    return found


def family(ancestor: int) -> set[tuple[int, str]]:
    """The process and all that descend from it."""
    alive, numbers = parents(), {ancestor}
    while more := {number for (number, _), parent in alive.items() if parent in numbers} - numbers:
        numbers |= more
    return {process for process in alive if process[0] in numbers}


def is_free(port: int) -> bool:
    """Whether the port can be listened on again."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def has_daemon(server: Server) -> bool:
    return "following daemons" in server.log.read_text()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("served")) as server:
        yield server


def test_it_lists_the_assets_and_keeps_its_state_under_the_project(shared: Server) -> None:
    answer = shared.query("{ assetNodes { assetKey { path } description } instance { id } }")
    assert answer["assetNodes"] == [
        {"assetKey": {"path": ["delays"]}, "description": "Delays of each carrier."},
        {"assetKey": {"path": ["flights"]}, "description": "Flights, one row each."},
    ]
    assert {path.name for path in shared.folder.iterdir()} <= {
        *(".dagster", "dagster.yaml", "lake_of_the_test.py", "server.log", "__pycache__")
    }


def test_a_program_of_another_user_of_the_machine_is_refused_with_the_way_on(shared: Server) -> None:
    require_other_user()
    answer = by_other_user(ASKING, f"{shared.url}/graphql")
    assert answer.startswith("403 Refused: this server is for the user who started it.")
    assert "--trusted-user" in answer
    assert by_other_user(ASKING, f"{shared.url}/server_info").startswith("403 ")
    assert shared.query("{ version }"), "our own program is answered"


def test_a_proxy_on_this_machine_reaches_it_as_the_trusted_user_by_the_trusted_name(tmp_path: Path) -> None:
    require_other_user()
    options = ["--trusted-user", "nobody", "--trusted-host", "lake.example"]
    with started(tmp_path / "proxied", options=options) as server:
        address = f"http://127.0.0.1:{server.port}/graphql"
        assert '"version"' in by_other_user(ASKING, address, "lake.example")
        assert by_other_user(ASKING, address, "evil.example").startswith("400 ")


def test_a_trusted_user_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(0, trusted_users=["nobody-of-this-name"]) == 2
    assert "'nobody-of-this-name' is no user of this machine" in capsys.readouterr().err


def test_a_folder_of_dagster_that_is_another_users_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_other_user()
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    (tmp_path / ".dagster").mkdir()
    os.chown(tmp_path / ".dagster", uid(), uid())
    with contextlib.chdir(tmp_path):
        assert serve(0) == 2
    assert "it belongs to the user nobody" in capsys.readouterr().err


def test_telemetry_is_off_in_every_part_of_it(shared: Server) -> None:
    wait_until(lambda: has_daemon(shared), START_SECONDS, shared.log)
    variables = [
        Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        for number, _ in family(shared.supervisor.pid)
        if number != shared.supervisor.pid
    ]
    assert len(variables) >= 5  # the keeper, the code server and the code in it, the web server, the daemon
    assert all(b"DAGSTER_DISABLE_TELEMETRY=1" in each for each in variables)


def test_a_second_server_is_refused_with_the_remedy(
    shared: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    with contextlib.chdir(tmp_path):
        assert serve(shared.port) == 2
    with contextlib.chdir(shared.folder):
        assert serve(0) == 2
    taken, locked = capfd.readouterr().err.splitlines()
    assert "something else listens there); choose another --port" in taken
    assert f"process {shared.supervisor.pid} already serves {shared.folder}; stop it first" in locked


def test_a_browser_shows_an_asset_behind_the_guard(shared: Server, tmp_path: Path) -> None:
    with chromium() as browser:
        browser.get(f"{shared.url}/assets/flights")
        wait_for_text(browser, "Flights, one row each.")
        wait_for_text(browser, "delays")  # its lineage, which comes with a later query
        assert screenshot(browser, tmp_path / "asset.png").stat().st_size > 0
        assert [error for error in console_errors(browser) if shared.url in error] == []


@pytest.mark.parametrize(
    ("number", "code", "shell"),
    [
        # A shell that is not interactive starts its background jobs with SIGINT ignored.
        pytest.param(signal.SIGINT, 0, ("sh", "-c", 'trap "" INT; exec "$@"', "sh"), id="SIGINT, ignored by the shell"),
        pytest.param(signal.SIGTERM, 0, (), id="SIGTERM"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, (), id="SIGKILL"),
    ],
)
def test_it_ends_within_seconds_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals, code: int, shell: tuple[str, ...]
) -> None:
    with started(tmp_path, *shell) as server:
        wait_until(lambda: has_daemon(server), START_SECONDS, server.log)
        members = family(server.supervisor.pid)
        assert len(members) >= 6
        server.supervisor.send_signal(number)
        assert server.supervisor.wait(STOP_SECONDS) == code
        wait_until(lambda: not members & set(parents()), STOP_SECONDS, server.log)
        assert is_free(server.port)


@pytest.mark.parametrize(
    ("host", "options", "remedy"),
    [
        ("0.0.0.0", {}, "the UI has no sign-in; keep 127.0.0.1"),  # noqa: S104 - refused
        ("", {}, "the UI has no sign-in; keep 127.0.0.1"),
        ("192.0.2.1", {"allow_remote": True}, "--allow-remote needs --trusted-host NAME"),
        ("192.0.2.1", {"allow_remote": True, "trusted_hosts": ["*"]}, "a trusted host is a full name"),
    ],
)
def test_it_does_not_listen_beyond_this_machine_unasked(
    host: str, options: dict[str, object], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve(0, host, **options) == 2  # type: ignore[arg-type]
    assert remedy in capsys.readouterr().err


NO_NAMES = """ |lake.example |http://lake.example|lake.example:3000|lake.example/ui|*|*.example|a@b|lake..example|.example
|lake.example.|-lake.example|läke.example|::1|[::1|[::1]:3000|[]|[lake]|1.2.3|1.2.3.256|a,b"""


@pytest.mark.parametrize("name", ["", "lake.example\n", "a" * 64, *NO_NAMES.replace("\n", "").split("|")])
@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_what_is_no_full_name_is_not_trusted(name: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(0, host, allow_remote=True, trusted_hosts=["lake.example", name]) == 2
    assert f"{name!r} can't be trusted: a trusted host is a full name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lake", "Lake.Example.com", "a_b-c.xn--lke-qla", "192.0.2.1", "[2001:db8::1]"])
def test_a_full_name_or_address_is_trusted(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(tmp_path):
        assert serve(0, trusted_hosts=[name]) == 2
        assert serve(0, trusted_hosts=name) == 2
    assert capsys.readouterr().err.count("there is no dagster.yaml") == 2


def test_it_says_so_outside_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(tmp_path):
        assert serve(0) == 2
    assert "there is no dagster.yaml" in capsys.readouterr().err


def test_a_part_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    dying = [sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"]
    with processes.process_group(os.environ, [], tmp_path) as group:
        group.start("code server", [sys.executable, "-c", "import time; time.sleep(60)"])
        group.start("daemon", dying)
        with pytest.raises(processes.ChildDied, match=r"the daemon stopped by itself with exit code 3(?s:.*)luck"):
            group.watch(until=lambda: False)
    assert group.children[0].process.returncode in (-signal.SIGTERM, -signal.SIGKILL)


def test_a_part_and_its_child_that_will_not_stop_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {deaf!r}])"
    with processes.process_group(os.environ, [], tmp_path) as group:
        group.start("run", [sys.executable, "-c", f"import signal; signal.signal(15, signal.SIG_IGN); {parent}"])
        group.watch(until=lambda: "deaf" in group.children[0].tail)
        members = family(group.children[0].process.pid)
        assert len(members) == 2
    assert not members & set(parents())
