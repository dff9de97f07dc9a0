"""A sink as a Dagster asset. (Dagster reads the annotations of a step as values, so they aren't postponed here.)"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.assets import SinkOptions, in_process, options_schema, request_of
from lakehouse_assets.engine.compile.metadata import code_reference
from lakehouse_assets.engine.compile.names import asset_key, op_name
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.spec.sinks.sink import Sink


def build_sink(sink: Sink, lakehouse: Lakehouse) -> dg.AssetsDefinition:
    """The asset of a sink, whose step brings the store to its table: in its own process, as it takes no Spark."""
    runner = in_process(lakehouse)

    @dg.multi_asset(
        name=op_name(sink.key),
        specs=[_spec(sink, lakehouse)],
        required_resource_keys={*runner.needs},
        config_schema=options_schema(SinkOptions),
        op_tags={"lakehouse/sink": sink.key},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        try:
            report = runner.carry_out(request_of(sink, context), context)
        except LakehouseError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        yield from _told(sink, report, context)

    return step


def _spec(sink: Sink, lakehouse: Lakehouse) -> dg.AssetSpec:
    domain = lakehouse.domains[sink.domain]
    return dg.AssetSpec(
        asset_key(sink.key),
        deps=[asset_key(key) for key in lakehouse.reads(sink.key)],
        description=sink.doc,
        group_name=sink.domain,
        owners=[sink.owner or domain.owner],
        kinds={sink.to.kind, "sink"},
        tags={"domain": sink.domain, "layer": sink.layer, **sink.tags},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=sink.freshness or domain.freshness),
        skippable=True,
        metadata={
            "dagster/code_references": code_reference(sink.file, sink.line),
            "store": sink.to.kind,
            "target": printable(sink.to.target),
        },
    )


def _told(sink: Sink, report: Report, context: dg.AssetExecutionContext) -> Iterator[Any]:
    assert report.sink is not None  # noqa: S101  (the report is that of a sink)
    context.log.info(printable(f"{sink.key}: {report.strategy} ({report.reason})"))
    if report.sink.version is None:  # it waits for its table, or for a connection
        context.log_event(dg.AssetObservation(asset_key(sink.key), metadata=sink_metadata(report)))
        return
    version = next(f"{it.id}@{it.to}" for it in report.positions.values())
    yield dg.MaterializeResult(
        asset_key=asset_key(sink.key), metadata=sink_metadata(report), data_version=dg.DataVersion(version)
    )


def sink_metadata(report: Report) -> dict[str, Any]:
    """What the UI shows of a run: what it did to the store, and which version of the table that has."""
    told = report.sink
    assert told is not None  # noqa: S101  (the report is that of a sink)
    return {
        "store": told.store,
        "target": printable(told.target),
        **({"version": told.version} if told.version is not None else {}),
        "rows_upserted": told.upserted,
        "rows_deleted": told.deleted,
        "seconds": round(report.seconds, 3),
        "strategy": report.strategy,
        "reason": printable(report.reason),
    }
