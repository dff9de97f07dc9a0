"""The warm engine: shared while it is used, gone when it is not, replaced when it dies. On an engine of our own."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, cast

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.loopback import free_port
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.class_archive.kept import MADE
from lakehouse_assets.resources.engine_state import Server, alive
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.waiting import holds_within

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession as RemoteSession

IDLE_SECONDS = 3


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[ServerSettings]:
    """An engine of one's own that shares the cached JARs."""
    shared = read_settings().cache / "jars"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "jars").symlink_to(shared)
    own = ServerSettings(tmp_path / "cache", "1g", 2, IDLE_SECONDS / 60)
    # As if an archive of its classes had been tried: none is made here when it was idle (test_class_archive.py).
    spark_server.classes_folder(own).mkdir(parents=True)
    (spark_server.classes_folder(own) / MADE).touch()
    yield own
    spark_server.release(own)
    spark_server.stop(own)


def gone(server: Server) -> bool:
    """Neither process runs; one that ended and that this test, its parent, never waited for doesn't."""
    return {_state(server.pid), _state(server.supervisor)} <= {"", "Z"}


def _state(pid: int) -> str:
    """As the kernel writes it; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may end while it's read
        return ""


def knock(url: str) -> str:
    """What a client of its own process gets to hear."""
    connect = "SparkSession.builder.remote(sys.argv[1]).create()"
    code = f"import sys; from pyspark.sql import SparkSession; print({connect}.range(1).count())"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def test_an_engine_is_shared_kept_secret_and_stopped_when_nobody_uses_it(settings: ServerSettings) -> None:
    server = spark_server.attach(settings)
    assert spark_server.attach(settings) == server, "a second client got an engine of its own"

    state = settings.folder / "state.json"
    assert state.stat().st_mode & 0o077 == 0, "others may read the token"
    command = Path(f"/proc/{server.pid}/cmdline").read_text()
    assert server.token not in command, "the token is in the process list"
    assert "Invalid authentication token" in knock(f"sc://localhost:{server.port}/;token=wrong")
    assert knock(server.url.replace("127.0.0.1", "localhost")).strip() == "1"

    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    (line,) = [x for x in listening.splitlines() if f":{server.port} " in x]
    assert "127.0.0.1" in line, "it listens beyond loopback"

    assert not holds_within(lambda: gone(server), IDLE_SECONDS + 3), "it stopped though a client was attached"
    spark_server.release(settings)
    assert holds_within(lambda: gone(server), IDLE_SECONDS + 60), "it stayed though nobody used it"
    assert spark_server.running(settings) is None


def test_an_engine_dies_with_its_supervisor_and_the_next_client_gets_a_fresh_one(settings: ServerSettings) -> None:
    first = spark_server.attach(settings)
    os.kill(first.supervisor, signal.SIGKILL)
    assert holds_within(lambda: gone(first), 60)
    second = spark_server.attach(settings)
    assert second.pid != first.pid
    assert spark_server.stop(settings)
    assert gone(second)
    assert not spark_server.stop(settings), "there was nothing left to stop"


def test_a_step_whose_engine_is_killed_is_tried_again_on_a_fresh_one(
    project: Project, settings: ServerSettings
) -> None:
    project.bronze("orders")
    project.table(
        "silver.orders",
        f"""
        import os, signal
        from pathlib import Path

        @table(raw="bronze.orders", columns=[Column("id", "int", key=True)], write=merge(on="id"))
        def orders(raw: DataFrame) -> DataFrame:
            victim = Path({str(project.root / "victim")!r})
            if victim.exists():
                os.kill(int(victim.read_text()), signal.SIGKILL)
                victim.unlink()
            return raw.selectExpr("int(id) id", "_source")
        """,
    )
    project.land("orders/1.csv", "id\n1\n2\n")
    server = spark_server.attach(settings)
    (project.root / "victim").write_text(str(server.pid))
    spark = SparkResource(memory="1g", cores=2, idle_minutes=IDLE_SECONDS / 60, cache=str(settings.cache))
    resources = {"spark": spark, "lake": LakeResource(root=project.lake.root, landing=project.lake.landing)}
    job = compile_definitions(project.lakehouse, resources).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
    assert result.success
    retried = [e.step_key for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_RESTARTED]
    assert retried == ["shop__silver__orders"]
    fresh = spark_server.running(settings)
    assert fresh is not None
    assert fresh.pid != server.pid
    assert project.rows("silver.orders", "id") == [(1,), (2,)]


def test_a_process_that_ends_while_it_is_looked_at_is_gone() -> None:
    for _ in range(60):  # of which some twenty end within a look
        with subprocess.Popen(["/bin/sleep", "0.002"]) as process, ThreadPoolExecutor(1) as reaper:
            ended = reaper.submit(process.wait)
            while alive(process.pid):
                pass
            assert ended.result() == 0


def test_a_process_that_ended_and_that_nobody_waited_for_is_gone() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        assert alive(process.pid)
        process.kill()
        assert holds_within(lambda: not alive(process.pid), 10)


def test_an_engine_that_cannot_start_says_why(settings: ServerSettings) -> None:
    broken = ServerSettings(settings.cache, "nonsense", settings.cores, settings.idle_minutes)
    with pytest.raises(SparkUnavailable, match=r"Starting the Spark engine failed; the end of its log:(.|\n)*nonsense"):
        spark_server.attach(broken)
    spark_server.release(broken)


def test_nothing_is_imported_or_started_by_looking_at_the_engine(settings: ServerSettings) -> None:
    code = (
        "import sys; from lakehouse_assets.resources import spark_server as s; from pathlib import Path;"
        f"assert s.running(s.ServerSettings(Path({str(settings.cache)!r}), '1g', 2, 1)) is None;"
        "assert not {'pyspark', 'dagster', 'deltalake'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_thread_has_one_session_on_an_engine_which_is_not_finalised_while_others_are_used() -> None:
    ours = SparkResource.from_settings(read_settings())
    session = weakref.ref(ours.session())
    assert SparkResource.from_settings(read_settings()).session() is session()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(SparkResource.from_settings(read_settings()).session).result() is not session()
    del ours
    gc.collect()
    assert session() is not None


def test_an_engine_that_is_not_there_leaves_the_sessions_of_others_alone() -> None:
    """What they release is sent by threads of the whole process, one of which is kept waiting here."""
    from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator as Results

    ours = SparkResource.from_settings(read_settings())
    assert ours.session().range(3).count() == 3
    threads, release = Results._get_or_create_release_thread_pool(), Event()
    waiting = threads.submit(release.wait, 60)
    nowhere = SparkResource(address=f"sc://127.0.0.1:{free_port()}", cache=ours.cache)
    with pytest.raises(SparkUnavailable, match="no answer within"):
        nowhere.session()
    assert ours.session().range(3).count() == 3  # now PySpark knows nothing of the other one any more
    gc.collect()
    assert not waiting.done()
    assert Results._get_or_create_release_thread_pool() is threads
    release.set()
    assert waiting.result()


def test_a_session_that_its_engine_has_closed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SparkResource.from_settings(read_settings())
    # By PySpark's own client, which takes a token without TLS to `localhost` alone; not in the session of other tests.
    address = spark_server.attach(ours.server_settings).url.replace("127.0.0.1", "localhost") + ";user_id=guest"
    same = SparkResource(address=address, cache=ours.cache)
    cast("RemoteSession", same.session()).client.release_session()
    assert SparkResource(address=address, cache=ours.cache).session().range(3).count() == 3
    cast("RemoteSession", same.session()).client.release_session()
    monkeypatch.setattr("lakehouse_assets.resources.spark.IDLE_SECONDS", 0)
    assert same.session().range(3).count() == 3


def test_a_run_in_dagster_uses_the_engine_that_the_command_line_uses() -> None:
    ours, seen = SparkResource.from_settings(read_settings({})), list[Path]()

    @dg.op(required_resource_keys={"spark"})
    def look(context) -> None:  # type: ignore[no-untyped-def]  (Dagster reads the annotation as a value)
        seen.append(context.resources.spark.server_settings.folder)

    dg.GraphDefinition("looking", node_defs=[look]).to_job(resource_defs={"spark": ours}).execute_in_process()
    assert seen == [ours.server_settings.folder]
