"""The archive of the engine's classes: made once by an engine that was idle, used if it's whole and one's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.class_archive.kept import MADE, archive_folder, find_archive
from lakehouse_assets.resources.engine_state import Server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.resources.spark_server import ServerSettings, classes_folder, make_command
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.cli.command import MAIN
from lakehouse_assets_tests.other_user import require_other_user, uid
from lakehouse_assets_tests.servers.waiting import holds_within

SECONDS = 300  # to make an archive on a machine that has much else to do; 25 on a quiet one


def with_jars(cache: Path) -> ServerSettings:
    cache.mkdir()
    (cache / "jars").symlink_to(read_settings().cache / "jars")
    return ServerSettings(cache, "1g", 2, 5.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServerSettings:
    """An engine whose archive was made: an earlier one, with other settings, was idle for a second."""
    own = with_jars(tmp_path_factory.mktemp("archive") / "cache")
    idle = replace(own, idle_minutes=1 / 60)
    spark_server.attach(idle)
    spark_server.release(idle)
    log = classes_folder(own) / MADE
    assert holds_within(log.exists, SECONDS), "the engine ended, or never did, and nothing was made"
    another = subprocess.run(make_command(own), check=False, timeout=SECONDS)  # it waits for the first
    assert another.returncode == 0
    assert not log.exists(), log.read_text()
    return own


@contextmanager
def started(settings: ServerSettings) -> Iterator[Server]:
    """An engine that has answered a query, until the end of the block."""
    engine = SparkResource(memory=settings.memory, idle_minutes=settings.idle_minutes, cache=str(settings.cache))
    try:
        assert engine.session().range(3).count() == 3
        yield spark_server.attach(settings)
    finally:
        spark_server.release(settings)
        spark_server.stop(settings)


def log_of(settings: ServerSettings) -> str:
    return (settings.folder / "server.log").read_text()


def test_an_engine_that_was_idle_leaves_an_archive_from_which_the_next_ones_take_their_classes(
    settings: ServerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive,) = classes_folder(settings).glob("*.jsa")
    assert {path.stat().st_mode & 0o077 for path in (archive, archive.parent)} == {0}, "others may read or change it"
    monkeypatch.setenv("JDK_JAVA_OPTIONS", f"-Xlog:class+load:file={tmp_path}/%p.log")
    with started(settings) as server:
        loaded = (tmp_path / f"{server.pid}.log").read_text().splitlines()
    of_spark = [line for line in loaded if "org.apache.spark." in line and "$$Lambda" not in line]
    archived = [line for line in of_spark if line.endswith("source: shared objects file (top)")]
    assert len(archived) > 0.9 * len(of_spark) > 1000


def test_an_archive_that_is_there_is_made_no_second_time(settings: ServerSettings) -> None:
    (archive,) = classes_folder(settings).glob("*.jsa")
    before, env = archive.stat(), {**os.environ, "LAKEHOUSE_CACHE": str(settings.cache), "COLUMNS": "400"}
    command = [sys.executable, "-c", MAIN, "engine", "prepare"]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert str(archive) in said.stdout
    assert (archive.stat().st_ino, archive.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {path.name for path in archive.parent.iterdir()} == {archive.name, "make.lock"}
    assert not list(settings.cache.glob("engine/*/tmp-*")), "the engine that wrote it left files behind"


def test_an_engine_starts_without_an_archive_that_was_cut(settings: ServerSettings, tmp_path: Path) -> None:
    (archive,) = classes_folder(settings).glob("*.jsa")
    whole = archive.rename(tmp_path / archive.name)
    with whole.open("rb") as file:
        archive.write_bytes(file.read(100_000_000))
    archive.chmod(0o600)
    with started(settings) as server:
        assert str(archive) not in Path(f"/proc/{server.pid}/maps").read_text()
        assert f"without an archive of classes: {archive} isn't as it was made" in log_of(settings)
    whole.rename(archive)


def test_an_engine_whose_archive_cannot_be_made_says_why_and_starts(tmp_path: Path) -> None:
    own = replace(with_jars(tmp_path / "cache"), memory="nonsense")
    assert subprocess.run(make_command(own), check=False, timeout=SECONDS).returncode == 1
    log = classes_folder(own) / MADE
    assert "nonsense" in log.read_text()
    found = find_archive(classes_folder(own))
    assert (found.path, found.missing) == (None, False), "it would be tried each time that an engine was idle"
    assert str(log) in found.why


def kept(folder: Path) -> Path:
    """A file that is kept as an archive is."""
    body = b"classes" * 1000
    archive = folder / f"{hashlib.sha256(body).hexdigest()}.jsa"
    archive.write_bytes(body)
    archive.chmod(0o600)
    return archive


def flip(archive: Path) -> None:
    body = archive.read_bytes()
    archive.write_bytes(body[:5000] + bytes([body[5000] ^ 1]) + body[5001:])


def lead_elsewhere(archive: Path) -> None:
    archive.symlink_to(archive.rename(archive.with_suffix(".real")))


@pytest.mark.parametrize(
    "change",
    [
        flip,
        lead_elsewhere,
        lambda archive: archive.write_bytes(b""),
        lambda archive: archive.chmod(0o666),
        lambda archive: archive.chmod(0o620),
        lambda archive: archive.parent.chmod(0o777),
    ],
    ids=["a byte flipped", "a link", "emptied", "open to all", "open to a group", "a folder open to all"],
)
def test_an_archive_that_others_could_have_changed_is_not_used(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    archive = kept(tmp_path)
    assert find_archive(tmp_path).path == archive
    change(archive)
    found = find_archive(tmp_path)
    assert found.path is None
    assert str(tmp_path) in found.why


@pytest.mark.parametrize("what", ["archive", "folder"])
def test_an_archive_of_another_user_is_not_used(tmp_path: Path, what: str) -> None:
    require_other_user()
    archive = kept(tmp_path)
    os.chown(archive if what == "archive" else tmp_path, uid(), uid())
    assert find_archive(tmp_path).path is None


def test_other_flags_another_java_and_a_jar_that_changed_have_archives_of_their_own(tmp_path: Path) -> None:
    java, jar = tmp_path / "jdk" / "bin" / "java", tmp_path / "spark.jar"
    java.parent.mkdir(parents=True)
    java.touch()
    jar.write_bytes(b"1")
    of = partial(archive_folder, tmp_path, java, [jar])
    folders = [of("-XX:+UseSerialGC"), of("-XX:+UseSerialGC"), of("-XX:+UseG1GC")]
    jar.write_bytes(b"12")
    folders.append(of("-XX:+UseSerialGC"))
    (tmp_path / "jdk" / "lib" / "server").mkdir(parents=True)
    (tmp_path / "jdk" / "lib" / "server" / "libjvm.so").write_bytes(b"1")
    folders.append(of("-XX:+UseSerialGC"))
    assert folders[0] == folders[1]
    assert len(set(folders)) == 4
