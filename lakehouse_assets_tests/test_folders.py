"""Folders of the lakehouse are made for their owner, and not used where others of the machine could change them."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.engine.errors import UnsafeFolder
from lakehouse_assets.folders import own_folder, private_folder, refuse_unsafe
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets_tests.other_user import by_other_user, require_other_user, uid
from lakehouse_assets_tests.project import Project

LOOKING = "import os, sys; print(os.listdir(sys.argv[1]))"


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


@pytest.fixture
def open_umask() -> object:
    """New files of this process are for everybody, unless their maker says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_run_makes_the_lake_and_the_landing_folder_for_their_owner_alone(tmp_path: Path) -> None:
    lake = LakeResource(root=str(tmp_path / "home" / "lake"), landing=str(tmp_path / "home" / "landing"))
    with dg.build_resources({"lake": lake}):
        pass
    assert {mode(tmp_path / "home" / name) for name in ("lake", "landing")} == {0o700}


def test_another_user_sees_nothing_of_a_table(project: Project, tmp_path: Path) -> None:
    require_other_user()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):  # noqa: S108
            folder.chmod(0o755)  # else nobody comes as far
    lake = LakeResource(root=str(tmp_path / "lake"), landing=str(tmp_path / "landing"))
    with dg.build_resources({"lake": lake}):
        pass
    assert "Permission denied" in by_other_user(LOOKING, str(tmp_path / "lake"))
    assert "lake" in by_other_user(LOOKING, str(tmp_path))


@pytest.mark.parametrize("which", ["lake", "landing"])
def test_a_folder_that_every_user_may_write_to_is_refused(project: Project, tmp_path: Path, which: str) -> None:
    project.bronze("orders")
    project.land("orders/1.csv", "id\n1\n")
    (tmp_path / which).mkdir(exist_ok=True)
    (tmp_path / which).chmod(0o777)
    failed = project.by_dagster("bronze.orders")
    assert not failed.success
    assert any(f"chmod o-w {tmp_path / which}" in str(e) for e in failed.all_events)
    with pytest.raises(UnsafeFolder, match="every user of this machine may write to it"):
        lake_at(str(tmp_path / "lake"), str(tmp_path / "landing"))
    (tmp_path / which).chmod(0o755)
    assert project.by_dagster("bronze.orders").success, "the way on that was named"


def test_a_folder_of_another_user_is_refused_and_one_of_root_is_not(tmp_path: Path) -> None:
    require_other_user()
    os.chown(tmp_path, uid(), uid())
    for attempt in (own_folder, private_folder, refuse_unsafe):
        with pytest.raises(UnsafeFolder, match=f"Opening the lake, {tmp_path}: it belongs to the user nobody"):
            attempt(tmp_path, "the lake")
    os.chown(tmp_path, 0, 0)
    refuse_unsafe(tmp_path, "the lake")


def test_where_a_link_leads_counts(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to("open")
    with pytest.raises(UnsafeFolder):
        own_folder(tmp_path / "link", "the lake")


def test_a_group_that_its_owner_gave_a_folder_may_write_to_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    own_folder(tmp_path, "the landing folder")
    assert mode(tmp_path) == 0o770, "it's left as it is"


def test_a_folder_that_is_not_there_yet_is_not_refused(tmp_path: Path) -> None:
    refuse_unsafe(tmp_path / "later", "the lake")
    assert not (tmp_path / "later").exists()
