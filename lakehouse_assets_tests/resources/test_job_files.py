"""The files by which Dagster and its jobs speak: the same promises in a volume and in a container."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lakehouse_assets.engine.errors import SettingsError, WorkspaceUnavailable
from lakehouse_assets.resources.job_files import InContainer, JobFiles
from lakehouse_assets_tests.resources.jobs import IN_BOTH, Jobs
from lakehouse_assets_tests.servers.azurite import KEY, Azurite
from lakehouse_assets_tests.servers.databricks import Databricks
from lakehouse_assets_tests.servers.throttle import FOR_EVER, refused, throttled

SDK = "azsdk-python-storage-blob"  # what Azure's own client calls itself


@IN_BOTH
def test_a_file_is_created_once_replaced_listed_and_deleted(databricks: Databricks, jobs: Jobs) -> None:
    files: JobFiles = jobs.resource.files()
    folder = f"{databricks.volume}/runs/a b"
    assert (files.names(folder), files.read(f"{folder}/none")) == ([], None)
    files.make_folder(f"{folder}/below")
    files.create(f"{folder}/1.json", "first\n")
    files.create(f"{folder}/1.json", "second\n")
    files.write(f"{folder}/below/ü.json", "one")
    files.write(f"{folder}/below/ü.json", "")
    assert sorted(files.names(folder)) == ["1.json", "below"]
    assert (files.names(f"{folder}/below"), files.names(f"{databricks.volume}/runs/a")) == (["ü.json"], [])
    assert (files.read(f"{folder}/1.json"), files.read(f"{folder}/below/ü.json")) == ("first\n", "")
    for path in (f"{folder}/below/ü.json", f"{folder}/1.json", f"{folder}/none"):
        files.delete(path)
    for path in (f"{folder}/below", folder, folder):
        files.delete_folder(path)
    assert (files.names(folder), databricks.left) == ([], {})


@contextmanager
def reached_by(azurite: Azurite) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in azurite.environment.items():
            patch.setenv(name, value)
        yield


def test_a_store_that_is_busy_for_a_moment_is_asked_again(azurite: Azurite, container: str) -> None:
    with throttled(azurite, {SDK: 2}) as busy, reached_by(busy):
        InContainer(container).create(f"{container}/context.json", "written")
        assert refused(busy) == {SDK: 2}
    assert InContainer(container).read(f"{container}/context.json") == "written"


def test_a_store_that_does_not_let_in_or_does_not_answer_is_told_with_what_to_do(
    azurite: Azurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, start = f"{container}/claim.json", time.monotonic()
    with throttled(azurite, {SDK: FOR_EVER}) as busy, reached_by(busy), pytest.raises(WorkspaceUnavailable) as of_busy:
        InContainer(container, patience=2).write(name, "text")
    way = os.environ["AZURE_STORAGE_CONNECTION_STRING"]
    wrong = way.replace(KEY, KEY.replace("Eby8", "Abc8"))
    away = way.replace(str(azurite.blobs), "9")  # where nobody listens
    errors = [str(of_busy.value)]
    for text in (wrong, away):
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        with pytest.raises(WorkspaceUnavailable) as raised:
            InContainer(container, patience=2).read(name)
        errors.append(str(raised.value))
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", way)
    with pytest.raises(WorkspaceUnavailable) as nowhere:
        InContainer(container.replace("://", "://no-")).write(name, "text")
    assert time.monotonic() - start < 30
    for error, why in zip([*errors, str(nowhere.value)], ["busy", "authenticate", "refused", "not exist"], strict=True):
        assert error.startswith(("Writing abfs://", "Reading abfs://"))
        assert why in error
        assert "`lakehouse doctor` tries it" in error
        assert KEY[:20] not in error
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=devstoreaccount1;AccountKey")
    with pytest.raises(SettingsError, match=r"by AZURE_STORAGE_CONNECTION_STRING: .*malformed"):
        InContainer(container)
