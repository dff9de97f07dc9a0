"""Landing folders and topics as assets at the head of the lineage.

(Dagster reads a step's annotations, so none is postponed.)
"""

from collections.abc import Sequence

import dagster as dg

from lakehouse_assets.engine.compile.names import landing_key, landing_op
from lakehouse_assets.engine.deploy.data_factory import copied, pipeline_name
from lakehouse_assets.engine.deploy.data_factory_run import Copied, copy
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.markdown import as_code
from lakehouse_assets.engine.spec.inputs import Files, Topic
from lakehouse_assets.engine.spec.table import Table


def landing_assets(lakehouse: Lakehouse, by_factory: bool) -> Sequence[dg.AssetSpec | dg.AssetsDefinition]:
    """The folder that each table with a source reads.

    One that Data Factory fills can be materialised, if there is a factory; any other is filled by someone else.
    """
    folders = [
        _by_factory(table, _spec(table, source)) if by_factory and copied(table) else _spec(table, source)
        for table, source in lakehouse.source_tables()
    ]
    return [*folders, *(_topic(table, topic) for table, topic in lakehouse.topic_tables())]


def _spec(table: Table, source: Files) -> dg.AssetSpec:
    doc = f"Files as they arrive at {as_code(source.path)} in the landing folder of {table.domain}."
    return dg.AssetSpec(landing_key(table), description=doc, group_name=table.domain, kinds={source.format.name})


def _topic(table: Table, topic: Topic) -> dg.AssetSpec:
    doc = f"Messages of the topic {as_code(topic.name)} of Kafka, or of that event hub."
    return dg.AssetSpec(landing_key(table), description=doc, group_name=table.domain, kinds={"kafka"})


def _by_factory(table: Table, spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """A landing folder whose step runs the table's pipeline."""

    @dg.multi_asset(
        name=landing_op(table),
        specs=[spec.merge_attributes(kinds={"azure"})],
        required_resource_keys={"data_factory"},
    )
    def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        context.log.info(f"running pipeline {pipeline_name(table)}")
        try:
            with context.resources.data_factory.opened() as factory:
                done = copy(table, factory, _last_started(table, context.instance))
        except LakehouseError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return _result(table, done)

    return step


def _last_started(table: Table, instance: dg.DagsterInstance) -> str | None:
    """When the last copy began that succeeded."""
    last = instance.get_latest_materialization_event(landing_key(table))
    made = last.asset_materialization if last else None
    return str(made.metadata["started"].value) if made and "started" in made.metadata else None


def _result(table: Table, done: Copied) -> dg.MaterializeResult[None]:
    counts = {"files_written": done.files, "rows_copied": done.rows, "bytes_written": done.bytes}
    return dg.MaterializeResult(
        asset_key=landing_key(table), data_version=dg.DataVersion(done.run_id),
        metadata={"pipeline": pipeline_name(table), "run_id": done.run_id, "started": done.started,
                  "seconds": done.seconds, **counts},
    )  # fmt: skip
