"""Checks of what a table reads: whether all of its files could be read, and its snapshots can be meant."""

from __future__ import annotations

import dagster as dg

from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.markdown import as_table, as_text
from lakehouse_assets.engine.run.report import Report, Unreadable
from lakehouse_assets.engine.spec.checks import FILES_READABLE, SNAPSHOTS_PLAUSIBLE


def files_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """It doesn't block what is downstream: the rows of the other files are there."""
    doc = "Each file that has arrived could be read, in its newest version."
    return dg.AssetCheckSpec(FILES_READABLE, asset=asset, description=doc, blocking=False)


def files_result(report: Report) -> dg.AssetCheckResult:
    """The files whose newest version has failed, else one that can't be read would leave the table green."""
    found = report.unreadable
    metadata: dict[str, dg.MetadataValue] = {"failed": dg.MetadataValue.int(found.number)}
    if found.number:
        metadata["files"] = dg.MetadataValue.md(as_table(["file", "reason"], found.some))
    return dg.AssetCheckResult(
        passed=not found.number, check_name=FILES_READABLE, asset_key=asset_key(report.table),
        severity=dg.AssetCheckSeverity.ERROR, metadata=metadata, description=_told(found),
    )  # fmt: skip


def _told(found: Unreadable) -> str | None:
    if not found.number:
        return None
    fewer = found.number > len(found.some)
    shown = f"the first {len(found.some)} of {found.number:,}" if fewer else f"{found.number:,}"
    listed = "\n".join(f"- {as_text(f'{name}: {why}')}" for name, why in found.some)
    return f"Files that can't be read ({shown}); land them corrected, or retry them:\n\n{listed}"


def snapshots_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """It blocks what is downstream, though the table still has what the last good snapshot says."""
    doc = "No snapshot lacks most of the keys of the one before, is empty, or has most of its rows rejected."
    return dg.AssetCheckSpec(SNAPSHOTS_PLAUSIBLE, asset=asset, description=doc, blocking=True)


def snapshots_result(report: Report) -> dg.AssetCheckResult:
    """What a run found that ended well: no snapshot was held back. The newest may have been empty, and so not seen."""
    empty = report.empty_snapshot
    told = f"{empty} has no row, so that the table has what the snapshot before it says; land it whole"
    return dg.AssetCheckResult(
        passed=not empty, check_name=SNAPSHOTS_PLAUSIBLE, asset_key=asset_key(report.table),
        severity=dg.AssetCheckSeverity.WARN, description=as_text(told) if empty else None,
    )  # fmt: skip
