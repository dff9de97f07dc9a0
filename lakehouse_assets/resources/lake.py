"""The lake, as the steps and sensors get it from Dagster."""

from __future__ import annotations

import dagster as dg

from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.settings import Settings


class LakeResource(dg.ConfigurableResource[None]):
    """Where tables are (`root`) and where files arrive (`landing`): paths, or URLs of an object store."""

    root: str
    landing: str

    @classmethod
    def from_settings(cls, settings: Settings) -> LakeResource:
        return cls(root=settings.lake, landing=settings.landing)

    def lake(self) -> Lake:
        return Lake(self.root, self.landing)
