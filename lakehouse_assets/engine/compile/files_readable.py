"""Whether all files of a table could be read, as an asset check: else a file that can't be would leave it green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.markdown import as_table, as_text
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.spec.table import FILES_READABLE

if TYPE_CHECKING:
    from lakehouse_assets.engine.lake.places import Lake
    from lakehouse_assets.engine.spec.table import Table

SHOWN = 20


def files_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """It doesn't block what is downstream: the rows of the other files are there."""
    doc = "Each file that has arrived could be read, in its newest version."
    return dg.AssetCheckSpec(FILES_READABLE, asset=asset, description=doc, blocking=False)


def files_result(table: Table, lake: Lake) -> dg.AssetCheckResult:
    """The files whose newest version has failed, by the ledger."""
    failed = Ledger(lake.arrivals(table.key), lake.storage).state().unreadable()
    some = [(path.removeprefix(f"{lake.landing_folder(table.domain)}/"), why) for path, why in failed[:SHOWN]]
    metadata: dict[str, dg.MetadataValue] = {"failed": dg.MetadataValue.int(len(failed))}
    if failed:
        metadata["files"] = dg.MetadataValue.md(as_table(["file", "reason"], some))
    return dg.AssetCheckResult(
        passed=not failed, check_name=FILES_READABLE, asset_key=dg.AssetKey(table.key.split(".")),
        severity=dg.AssetCheckSeverity.ERROR, metadata=metadata, description=_told(len(failed), some),
    )  # fmt: skip


def _told(number: int, some: list[tuple[str, str]]) -> str | None:
    if not number:
        return None
    shown = f"the first {len(some)} of {number:,}" if number > len(some) else f"{number:,}"
    listed = "\n".join(f"- {as_text(f'{name}: {why}')}" for name, why in some)
    return f"Files that can't be read ({shown}); land them corrected, or retry them:\n\n{listed}"
