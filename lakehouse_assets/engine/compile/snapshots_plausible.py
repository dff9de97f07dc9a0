"""Whether the snapshots that a table reads can be meant, as an asset check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.markdown import as_text
from lakehouse_assets.engine.quality.snapshots import empty_snapshot
from lakehouse_assets.engine.spec.table import SNAPSHOTS_PLAUSIBLE

if TYPE_CHECKING:
    from lakehouse_assets.engine.lake.places import Lake
    from lakehouse_assets.engine.spec.table import Table


def snapshots_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """It blocks what is downstream, though the table still has what the last good snapshot says."""
    doc = "No snapshot lacks most of the keys of the one before, is empty, or has most of its rows rejected."
    return dg.AssetCheckSpec(SNAPSHOTS_PLAUSIBLE, asset=asset, description=doc, blocking=True)


def snapshots_result(table: Table, lake: Lake) -> dg.AssetCheckResult:
    """What a run found that ended well: no snapshot was held back. The newest may have been empty, and so not seen."""
    empty = empty_snapshot(table, lake)
    told = (
        f"{empty} has no row, so that the table has what the snapshot before it says; land it whole" if empty else None
    )
    return dg.AssetCheckResult(
        passed=empty is None, check_name=SNAPSHOTS_PLAUSIBLE, asset_key=dg.AssetKey(table.key.split(".")),
        severity=dg.AssetCheckSeverity.WARN, description=told and as_text(told),
    )  # fmt: skip
