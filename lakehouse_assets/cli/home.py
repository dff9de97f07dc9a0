"""Which Dagster instance the command uses: each lake has its own, in the folder that LAKEHOUSE_HOME names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_assets.cli.ready import require_writable
from lakehouse_assets.folders import private_folder, refuse_unsafe
from lakehouse_assets.settings import PROJECT, dagster_home

if TYPE_CHECKING:
    import dagster as dg

_PATHS = ("LAKEHOUSE_HOME", "LAKEHOUSE_LAKE", "LAKEHOUSE_LANDING", "LAKEHOUSE_CACHE")


def instance() -> dg.DagsterInstance:
    """The Dagster instance of DAGSTER_HOME if that is set, else that of LAKEHOUSE_HOME or, without one, the project.

    Raises:
        LakehouseError: its folder can't be written to.
        UnsafeFolder: it belongs to another user, or is open to all.
    """
    import dagster as dg

    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    if given := os.environ.get("DAGSTER_HOME"):
        refuse_unsafe(Path(given), "Dagster's folder")
        require_writable("Dagster's folder", given)
        return dg.DagsterInstance.get()
    home = enter_home()
    require_writable("Dagster's folder", str(private_folder(home / ".dagster", "Dagster's folder")))
    return dg.DagsterInstance.from_config(str(home))


def enter_home() -> Path:
    """Go to the folder whose `.dagster/` is the instance, as the paths in dagster.yaml are relative to it.

    A home of its own has a link to the project's dagster.yaml, unless it has that file.

    Raises:
        LakehouseError: it can't be written to.
        UnsafeFolder: one of its own belongs to another user, or is open to all: dagster.yaml says what is run.
    """
    home = dagster_home()
    if home != PROJECT:
        refuse_unsafe(home, "the lakehouse's folder")
    require_writable("Dagster's folder", str(home))
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.unlink(missing_ok=True)  # a link to where the project was
        settings.symlink_to(PROJECT / "dagster.yaml")
    for name in [n for n in _PATHS if "://" not in os.environ.get(n, "://")]:
        os.environ[name] = str(Path(os.environ[name]).absolute())  # for processes that begin in another folder
    os.chdir(home)
    return home
