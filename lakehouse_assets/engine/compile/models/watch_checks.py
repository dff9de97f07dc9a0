"""The checks by which a model is watched, on the table of its scores. They warn, and hold nothing back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.markdown import as_table, as_text
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.spec.table import Table

# In the metadata of a result, which are carried on by runs that find nothing to do.
MODEL_VERSION, JUDGED_AT = "model_version", "judged_at"


def watch_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """One for each way in which the model of a table of scores is watched."""
    watched = table.score.watched if table.score else {}
    return [
        dg.AssetCheckSpec(name, asset=asset_key(table.key), description=doc, blocking=False)
        for name, doc in watched.items()
    ]


def watch_results(report: Report) -> Iterator[dg.AssetCheckResult]:
    """What a run found by each."""
    for found in report.watched:
        yield dg.AssetCheckResult(
            passed=found.passed, check_name=found.name, asset_key=asset_key(report.table),
            severity=dg.AssetCheckSeverity.WARN, description=as_text(found.told), metadata=_shown(found),
        )  # fmt: skip


def _shown(found: Watched) -> dict[str, Any]:
    picture = f"![{found.name}](data:image/png;base64,{found.picture})"
    return {
        MODEL_VERSION: found.version,
        JUDGED_AT: dg.MetadataValue.timestamp(found.at),
        "found": as_text(found.told),
        **{name: value for name, value in found.figures.items() if "/" not in name},
        **({"figures": dg.MetadataValue.md(as_table(found.columns, found.rows))} if found.rows else {}),
        **({"plot": dg.MetadataValue.md(picture)} if found.picture else {}),
    }
