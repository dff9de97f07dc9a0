"""Tables that jobs make which others own: assets that nothing here materialises."""

from __future__ import annotations

from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.assets import spec_of
from lakehouse_assets.engine.compile.jobs_of_others.sensor import external_tables
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.markdown import as_code
from lakehouse_assets.engine.spec.table import Table


def external_assets(lakehouse: Lakehouse) -> list[dg.AssetSpec]:
    """An asset for each, with its lineage."""
    return [_asset(table, lakehouse) for table in external_tables(lakehouse)]


def _asset(table: Table, lakehouse: Lakehouse) -> dg.AssetSpec:
    assert table.external is not None  # noqa: S101  (only those come here)
    job = table.external.job
    told: dict[str, Any] = {"job": job.name, **({"job_id": str(job.id)} if job.id else {})}
    if table.external.at:
        told["dagster/uri"] = table.external.at
    return spec_of(table, lakehouse).replace_attributes(
        description=f"{table.doc}\n\nMade by the job {as_code(job.name)}, which others own and start."
    ).merge_attributes(metadata=told)  # fmt: skip
