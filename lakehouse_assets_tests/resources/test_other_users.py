"""What other users of the machine can do to the engine: nothing, though they may listen on ports and read a lot."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.storagelevel import StorageLevel

from lakehouse_assets.engine.errors import SparkUnavailable, UnsafeFolder
from lakehouse_assets.engine.spark_errors.explained import lost_engine
from lakehouse_assets.loopback import free_port
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.engine_state import Server
from lakehouse_assets.resources.jars import jar_class_path, jar_folder, locked_jars
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.other_user import by_other_user, listening_as_other_user, require_other_user, uid

# Spark's frame of a request: its length, a kind (3: it wants an answer), a number, and a body with its length. The body
# asks the block manager to open no blocks, of no application (network-common's `MessageEncoder`, `OpenBlocks`).
BODY = bytes([0]) + (0).to_bytes(4) * 3
REQUEST = (8 + 1 + 8 + 4 + len(BODY)).to_bytes(8) + bytes([3]) + (7).to_bytes(8) + len(BODY).to_bytes(4) + BODY
ANSWER = 4  # the kind of a frame that grants what was asked for; 5 refuses it
ASKING = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as asked:
    asked.sendall(bytes.fromhex(sys.argv[2]))
    try:
        print((asked.recv(9) or b"closed".rjust(9))[8])
    except OSError as error:
        print(error)
"""


@contextmanager
def engine_in(folder: Path) -> Iterator[SparkResource]:
    """An engine that keeps its state in the folder, and shares the cached JARs."""
    (folder / "cache").mkdir()
    (folder / "cache" / "jars").symlink_to(read_settings().cache / "jars")
    resource = SparkResource(memory="1g", cores=2, idle_minutes=5, cache=str(folder / "cache"))
    yield resource
    spark_server.release(resource.server_settings)
    spark_server.stop(resource.server_settings)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SparkResource]:
    with engine_in(tmp_path) as resource:
        yield resource


@pytest.fixture(scope="module")
def left_whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkResource]:
    """One for the tests that do it no harm."""
    with engine_in(tmp_path_factory.mktemp("engine")) as resource:
        resource.session()
        yield resource


def settings(folder: Path) -> ServerSettings:
    return ServerSettings(folder, "1g", 2, 5)


def ports(server: Server) -> set[int]:
    """Where the engine's process listens, by `ss`."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines if f"pid={server.pid}," in line}


def test_who_listens_where_the_engine_was_hears_nothing_from_its_clients(own: SparkResource) -> None:
    require_other_user()
    session, server, folder = own.session(), spark_server.attach(own.server_settings), own.server_settings.folder
    os.kill(server.supervisor, signal.SIGKILL)  # and the engine with it, which can't tidy up
    with listening_as_other_user(server.port) as heard, pytest.raises(PySparkException) as lost:
        session.range(3).count()
    assert heard == []
    assert lost_engine(lost.value), "the step is to be tried again, on a new engine"
    assert own.session().range(3).count() == 3, "a new engine"
    supervisor = spark_server.attach(own.server_settings).supervisor
    assert [path.name for path in folder.glob("tmp-*")] == [f"tmp-{supervisor}"], "what the first one left is gone"
    assert spark_server.stop(own.server_settings)
    assert not list(folder.glob("tmp-*")), "it stayed when the engine was stopped"


def test_who_takes_the_port_that_an_engine_was_about_to_take_is_not_believed(
    own: SparkResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_other_user()
    port = free_port()
    monkeypatch.setattr(spark_server, "free_port", lambda: port)
    with listening_as_other_user(port) as heard, pytest.raises(SparkUnavailable, match="BindException"):
        own.session()
    assert heard == []


def test_the_engine_answers_nobody_who_lacks_its_secret_on_any_port(left_whole: SparkResource) -> None:
    require_other_user()
    server = spark_server.attach(left_whole.server_settings)
    others = ports(server) - {server.port}
    assert len(others) == 2, "its RPC and its block manager"
    answers = {by_other_user(ASKING, str(port), REQUEST.hex()).strip() for port in others}
    assert str(ANSWER) not in answers
    assert left_whole.session().range(3).count() == 3


def test_what_the_engine_keeps_on_disk_is_in_folders_of_its_owner_alone(left_whole: SparkResource) -> None:
    rows = (
        left_whole.session()
        .range(100_000)
        .selectExpr("id", "repeat('secret', 10) text")
        .persist(StorageLevel.DISK_ONLY)
    )
    assert rows.repartition(3, "text").count() == 100_000
    server, folder = spark_server.attach(left_whole.server_settings), left_whole.server_settings.folder
    held = list[Path]()
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it may close a file meanwhile
            held.append(entry.readlink())
    held += [Path(line.split()[-1]) for line in Path(f"/proc/{server.pid}/maps").read_text().splitlines()]
    assert [path for path in held if path.is_relative_to(folder)], "it has unpacked libraries there"
    # The JARs may lie under /tmp as well: they are what the engine is started from, and no data.
    elsewhere = [path for path in held if path.is_relative_to("/tmp") and not path.is_relative_to(folder)]  # noqa: S108
    assert {path.suffix for path in elsewhere} <= {".jar"}
    (blocks,) = folder.glob("tmp-*/blockmgr-*")
    assert [path for path in blocks.rglob("*") if path.is_file()], "rows were kept there"
    assert not [p for p in Path("/tmp").glob("hsperfdata_*/*") if p.name == str(server.pid)]  # noqa: S108
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, blocks.parent)} == {"0o700"}
    rows.unpersist()


def test_the_command_line_which_everybody_can_read_has_no_setting_of_the_engine(left_whole: SparkResource) -> None:
    server = spark_server.attach(left_whole.server_settings)
    for pid in (server.pid, server.supervisor):
        told = Path(f"/proc/{pid}/cmdline").read_text()
        assert server.token not in told
        assert str(server.port) not in told


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", "{}", "\0\0\0", '"text"'])
def test_a_state_that_no_supervisor_wrote_is_none(tmp_path: Path, text: str) -> None:
    _require_none(tmp_path, text)


@pytest.mark.parametrize(
    "change",
    [{}, {"more": 1}, {"pid": "1"}, {"pid": 10**30}, {"pid": -1}, {"pid": True}, {"port": None}, {"port": 99_999}],
)
def test_a_state_of_processes_that_are_no_engine_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    ours = {"pid": os.getpid(), "supervisor": os.getppid(), "port": 1, "token": "t", "started": 1.0}
    _require_none(tmp_path, json.dumps(ours | change))


def _require_none(cache: Path, state: str) -> None:
    settings(cache).folder.mkdir(parents=True)
    (settings(cache).folder / "state.json").write_text(state)
    assert spark_server.running(settings(cache)) is None
    assert not spark_server.stop(settings(cache)), "it would have ended a process that is no engine"


def test_a_state_of_another_user_is_none_though_an_engine_is_there(left_whole: SparkResource) -> None:
    require_other_user()
    state = left_whole.server_settings.folder / "state.json"
    assert spark_server.running(left_whole.server_settings) is not None
    os.chown(state, uid(), uid())
    assert spark_server.running(left_whole.server_settings) is None
    os.chown(state, 0, 0)
    real = state.rename(state.with_name("real.json"))
    state.symlink_to(real)
    assert spark_server.running(left_whole.server_settings) is None, "a link leads anywhere"
    state.unlink()
    real.rename(state)


def test_a_cache_of_another_user_is_refused_with_the_way_on(tmp_path: Path) -> None:
    require_other_user()
    os.chown(tmp_path, uid(), uid())
    with pytest.raises(UnsafeFolder, match=rf"the cache, {tmp_path}: it belongs to the user nobody.*chown"):
        spark_server.attach(settings(tmp_path))


def test_a_cache_that_was_open_to_others_is_closed_when_it_is_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "jars").symlink_to(read_settings().cache / "jars")
    with pytest.raises(SparkUnavailable, match="Starting the Spark engine failed"):
        spark_server.attach(ServerSettings(tmp_path, "nonsense", 2, 5))
    spark_server.release(ServerSettings(tmp_path, "nonsense", 2, 5))
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("change", ["changed", "emptied", "removed"])
def test_a_jar_that_is_not_the_pinned_one_is_found_before_the_engine_starts(tmp_path: Path, change: str) -> None:
    copied = tmp_path / "jars" / jar_folder(read_settings().cache).name
    shutil.copytree(jar_folder(read_settings().cache), copied)
    jar = sorted(copied.iterdir())[0]
    body = jar.read_bytes()
    jar.unlink()
    if change != "removed":
        jar.write_bytes(bytes([body[0] ^ 1]) + body[1:] if change == "changed" else b"")
    with pytest.raises(SparkUnavailable, match=rf"{re.escape(str(jar))} has the digest .* delete {copied}"):
        spark_server.attach(settings(tmp_path))
    spark_server.release(settings(tmp_path))
    shutil.rmtree(copied)


def test_a_jar_that_lies_beside_the_pinned_ones_is_not_loaded(tmp_path: Path) -> None:
    copied = tmp_path / "jars" / jar_folder(read_settings().cache).name
    shutil.copytree(jar_folder(read_settings().cache), copied)
    (copied / "foreign.jar").write_bytes(b"")
    loaded = jar_class_path(tmp_path).split(":")
    assert {Path(path).name for path in loaded} == {jar.file for jar in locked_jars()}
