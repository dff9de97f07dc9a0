"""What is looked at before a run starts, so that what can't work is told in one line and leaves no run behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from lakehouse_assets.cli.app import NotFound, built, select_assets, within
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.folders import own_folder
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse
    from lakehouse_assets.engine.lake.places import Lake
    from lakehouse_assets.engine.spec.table import Table

# As much as a small commit and what Dagster keeps of it take.
_PROBE_BYTES = 64 * 1024


class NotApplicable(LakehouseError):
    """An option or a command that doesn't apply to what it was given for."""


def require_engine(settings: Settings) -> None:
    """Connect to the engine, if it isn't ours to start; a run does so for each of its tables.

    Raises:
        SparkUnavailable: it isn't there, or doesn't let us in.
    """
    if settings.spark != "local":
        from lakehouse_assets.resources.spark import SparkResource

        SparkResource.from_settings(settings).session()


def require_writable(what: str, folder: str) -> None:
    """Write a little into a folder, and let go of it.

    Raises:
        LakehouseError: its disk is full or read-only, or it belongs to someone else.
    """
    if "://" in folder:  # whoever writes there says what is wrong
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as error:
        raise LakehouseError(
            f"Writing to {what}, {folder}: {error.strerror}; make room or give access to it, or set another folder"
        ) from error


def landing_folder(domain: str, settings: Settings) -> Path:
    """The landing folder of a domain, for who puts files there.

    Raises:
        NotApplicable: it isn't on a disk of this machine.
    """
    if "://" in settings.landing:
        raise NotApplicable(
            f"{settings.landing} is not on this machine's disk; set LAKEHOUSE_LANDING to a folder, and copy it"
        )
    return own_folder(Path(settings.landing), "the landing folder") / domain


def require_rejected_rows(table: Table, lake: Lake) -> bool:
    """Whether rows of a table wait in quarantine.

    Raises:
        LakehouseError: its rows are never judged again, or none is ever set aside, or it isn't built.
    """
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.quality.quarantine import waiting
    from lakehouse_assets.engine.run.replay.replay import require_replayable

    require_replayable(table)
    built(lake, table)
    kept = read_log(lake.quarantine(table.key))
    rows = waiting(kept) if kept else 0
    if not rows and not table.has_quarantine:
        raise NotApplicable(
            f"Replaying {table.key}: no expectation of it sets rows aside, so there are none to judge again"
        )
    return rows > 0


def refuse_loss_without_rebuild(tables: Sequence[Table], full: bool, accept_loss: bool) -> None:
    """Raises NotApplicable where a loss is accepted, and no table is asked to be rebuilt or may lose rows otherwise."""
    if accept_loss and not full and not any(t.snapshots or (t.source and t.has_quarantine) for t in tables):
        raise NotApplicable(
            "--accept-loss is about rebuilding, snapshots, and rejected rows of files; add --full, or leave it out"
        )


def refuse_external(names: Sequence[str], lakehouse: Lakehouse) -> None:
    """Raises MadeElsewhere where nothing of what a name stands for is made by runs of ours."""
    from lakehouse_assets.engine.run.made_elsewhere import refuse

    for keys in (select_assets(lakehouse, [name]) for name in names):
        if keys and not lakehouse.worked_on & set(keys):
            refuse(lakehouse.tables[keys[0]])


def refuse_left_out(names: Sequence[str], lakehouse: Lakehouse) -> None:
    """Raises NotFound where tables were asked for, by domain or layer, that have a problem."""
    left_out = [key for name in names for key in within(lakehouse.left_out, name)]
    if left_out:
        raise NotFound(f"Of what was asked for, {', '.join(left_out)} is not loaded; mend the problems told above")
