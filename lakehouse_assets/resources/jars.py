"""The JARs of Spark, beside pyspark's own, and of a Kafka broker: resolved once into a cache, each checked against a
pinned digest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.folders import private_folder


@dataclass(frozen=True)
class Jar:
    """A line of jars.lock: Maven coordinates, and the SHA-256 of the file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


# Of the engine; of one that reaches Azure Storage, 51 MB more that only its users need; of a Kafka broker.
ENGINE = ("jars.lock",)
AZURE = (*ENGINE, "jars_azure.lock")
KAFKA = ("jars_kafka.lock",)


def locked_jars(locks: Sequence[str] = ENGINE) -> list[Jar]:
    """The pinned JARs, in the order of the files that pin them."""
    lines = [line for lock in locks for line in files(__package__).joinpath(lock).read_text().splitlines()]
    pins = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return [_jar(coordinates, digest) for coordinates, digest in pins]


def _jar(coordinates: str, digest: str) -> Jar:
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, digest.removeprefix("sha256:"))


def jar_folder(cache: Path, locks: Sequence[str] = ENGINE) -> Path:
    """The folder with every pinned JAR, filled on first use; a change of what is pinned makes a new one.

    Raises:
        SparkUnavailable: a JAR could not be resolved, or isn't the one that was pinned.
    """
    jars = locked_jars(locks)
    folder = cache / "jars" / hashlib.sha256(repr(jars).encode()).hexdigest()[:12]
    if not folder.is_dir():
        _fill(folder, jars)
    for jar in jars:
        _verify(folder / jar.file, jar)
    return folder


def jar_class_path(cache: Path, locks: Sequence[str] = ENGINE) -> str:
    """The pinned JARs as Java takes them, each by its name: what else is in their folder isn't loaded.

    Raises:
        SparkUnavailable: as `jar_folder`.
    """
    folder = jar_folder(cache, locks)
    return os.pathsep.join(str(folder / jar.file) for jar in locked_jars(locks))


def _fill(folder: Path, jars: list[Jar]) -> None:
    private_folder(folder.parent.parent, "the cache")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        _resolve(Path(scratch), jars)
        for jar in jars:
            _verify(Path(scratch) / "lib" / jar.file, jar)
        # Another process may have filled it meanwhile; both hold the same pinned files.
        if not folder.is_dir():
            shutil.move(Path(scratch) / "lib", folder)


def _verify(path: Path, jar: Jar) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        digest = f"none ({error.strerror})"
    if digest != jar.sha256:
        raise SparkUnavailable(
            f"Checking JARs: {path} has the digest {digest}, and {jar.sha256} is pinned; see who changed it, and "
            f"delete {path.parent}, which is then filled anew"
        )


def _resolve(scratch: Path, jars: list[Jar]) -> None:
    """Run the Ivy that pyspark ships; each pinned JAR by itself, since the list is already complete."""
    (scratch / "ivy.xml").write_text(_ivy_module(jars))
    target = scratch / "lib" / "[artifact]-[revision].[ext]"
    command = [
        java(), f"-Divy.default.ivy.user.dir={scratch / 'ivy'}", "-jar", str(_ivy_jar()), "-ivy",
        str(scratch / "ivy.xml"), "-confs", "default", "-types", "jar", "bundle", "-retrieve", str(target),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    missing = [jar.file for jar in jars if not (scratch / "lib" / jar.file).is_file()]
    if done.returncode or missing:
        tail = done.stdout.splitlines()[-15:] + done.stderr.splitlines()[-5:]
        raise SparkUnavailable(f"Resolving JARs from Maven Central failed for {missing or 'all'}; is it reached?", tail)


def _ivy_module(jars: list[Jar]) -> str:
    pins = "".join(
        f'<dependency org="{j.group}" name="{j.artifact}" rev="{j.version}" transitive="false"/>' for j in jars
    )
    return (
        '<ivy-module version="2.0"><info organisation="lakehouse" module="jars"/>'
        f'<configurations><conf name="default"/></configurations><dependencies defaultconf="default->default">{pins}'
        "</dependencies></ivy-module>"
    )


def _ivy_jar() -> Path:
    return next((spark_home() / "jars").glob("ivy-*.jar"))


def spark_home() -> Path:
    """The folder of the installed pyspark, which is a whole Spark distribution."""
    from importlib.util import find_spec

    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SparkUnavailable("pyspark is not installed in this environment; run `make setup`")
    return Path(spec.origin).parent


def java() -> str:
    """The Java to run, from JAVA_HOME or the PATH.

    Raises:
        SparkUnavailable: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not found:
        raise SparkUnavailable("Java is missing: install Java 17 (Debian: apt-get install openjdk-17-jre-headless)")
    return found
