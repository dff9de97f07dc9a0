"""The Data Factory that lands files, as the steps get it from Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.deploy.data_factory import LANDING
from lakehouse_assets.resources.azure import azure_storage, container_of
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.deploy.data_factory_run import Factory


class DataFactoryResource(dg.ConfigurableResource[None]):
    """A factory by its resource id, reached as Azure's own tools are told to: a service principal or managed identity.

    `landing` is where files arrive, a URL in Azure Storage; `management` where Azure is managed.
    """

    factory: str
    landing: str
    management: str = "https://management.azure.com"
    poll_seconds: float = 10

    @classmethod
    def from_settings(cls, settings: Settings) -> DataFactoryResource:
        return cls(factory=settings.data_factory, landing=settings.landing, management=settings.azure_management)

    @contextmanager
    def opened(self) -> Iterator[Factory]:
        """The factory, with where its pipelines land files, until the end of the block.

        Raises:
            SettingsError: the landing folders aren't in Azure.
        """
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.datafactory import DataFactoryManagementClient

        from lakehouse_assets.engine.deploy.data_factory_run import Factory

        _, _, subscription, _, group, *_, name = self.factory.split("/")
        scope = f"{self.management}/.default"
        account, (container, prefix) = azure_storage(self.landing), container_of(self.landing)
        endpoint = account.endpoint or f"https://{account.account}.blob.{account.suffix}"
        landing = dict(zip(LANDING, (endpoint, container, prefix and f"{prefix}/"), strict=True))
        with (
            DefaultAzureCredential() as credential,
            DataFactoryManagementClient(credential, subscription, self.management, credential_scopes=[scope]) as client,
        ):
            yield Factory(client, group, name, landing, self.poll_seconds)
