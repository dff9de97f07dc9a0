"""What Dagster calls a table, its step and the folder that it reads."""

from __future__ import annotations

import dagster as dg

from lakehouse_assets.engine.spec.table import Table


def asset_key(key: str) -> dg.AssetKey:
    """The asset of the table of this key, `domain.layer.name`."""
    return dg.AssetKey(key.split("."))


def landing_key(table: Table) -> dg.AssetKey:
    """The asset of the landing folder that a table with a source reads."""
    return dg.AssetKey([table.domain, "landing", table.name])


def landing_op(table: Table) -> str:
    """The step that has Data Factory fill that folder, where there is a factory."""
    return f"{table.domain}__landing__{table.name}"


def op_name(key: str) -> str:
    """The name of a table's step, by which run config finds it."""
    return key.replace(".", "__")
