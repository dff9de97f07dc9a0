"""Tables with a problem in their declaration, as assets that can't be materialised and say why."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.markdown import as_text

KIND = "not loaded"


def left_out_assets(lakehouse: Lakehouse) -> Iterator[dg.AssetSpec]:
    """An asset in the place of each table that is left out: what was materialised before stays to be seen."""
    for key, why in lakehouse.left_out.items():
        domain, *_ = path = key.split(".")
        group = domain if domain.isidentifier() and domain.isascii() else None
        yield dg.AssetSpec(
            dg.AssetKey(path), description=f"**Not loaded.** {as_text(why)}", group_name=group, kinds={KIND}
        )
