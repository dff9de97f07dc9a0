"""A request in, a report out: all that happens to a table happens here, in this process or on a cluster.

The steps of a run, whatever it reads and however it writes, each with the module that has it:

1. recover: what the last writer of the table left undone is done (`run/recover.py`; of files `run/ingest/batch.py`).
2. plan: what is read, from position to position, by which strategy (`plan/planner.py`; of files the ledger).
3. read: the inputs as DataFrames (`plan/read.py`; files `sources/formats/reader.py`).
4. build: the declared function or query, held to the declared columns (`run/build.py`).
5. commit: rows are judged as they're written, a rebuild is audited before (`modes/commit.py`).
6. settle: quarantine, state and ledger follow the table (`modes/commit.py`, `run/ingest/ingest.py`).
7. report: the whole table is checked, and all that is known is told (`run/reporting.py`).
8. online: of a features table, the latest values are brought to the store (`feature_store/bring_online.py`).
9. tell: the alerts of the table are judged, and people are told of them (`alerts/tell.py`).
"""

from __future__ import annotations

from dataclasses import replace

from lakehouse_assets.engine.alerts.tell import tell_alerts
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import UnknownTable
from lakehouse_assets.engine.feature_store.bring_online import bring_online
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.run.backfill import backfill
from lakehouse_assets.engine.run.ingest.forget import forget
from lakehouse_assets.engine.run.made_elsewhere import look, refuse
from lakehouse_assets.engine.run.models.train import materialize_model
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.replay.replay import replay
from lakehouse_assets.engine.run.report import Online, Report
from lakehouse_assets.engine.run.reporting import as_stored, report_of
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.run.sinks.bring import materialize_sink
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.engine.spec.table import Table


def materialize(request: Request, context: Context) -> Report:
    """Do to a table what is asked for, check the whole of it, and report both.

    Raises:
        UnknownTable: there is no such table, or it has a problem.
        MadeElsewhere: no run of ours makes it here.
        LakehouseError: an expectation declared with `fail` was broken, a rebuild failed a check
            or would lose rows, the contract doesn't hold, files can't be read, Spark isn't there, or other runs kept
            committing first.
    """
    if request.table in context.lakehouse.models:
        return materialize_model(context.lakehouse.models[request.table], request, context)
    if request.table in context.lakehouse.sinks:
        return materialize_sink(context.lakehouse.sinks[request.table], request, context)
    table = _named(request.table, context)
    if request.only_checks:
        return as_stored(table, context)
    if table.task and request.made_since is not None:
        return look(table, request.made_since, context)
    before = read_log(context.lake.table(table.key)) if table.partitions else None
    done = report_of(_carried_out(table, request, context), context, before.version if before else None)
    held = bring_online(table, context.lake)
    online = Online(held.version, held.rows) if held else None
    return replace(done, online=online, alerts=tell_alerts(table, context))


def _named(key: str, context: Context) -> Table:
    lakehouse = context.lakehouse
    if key in lakehouse.left_out:
        raise UnknownTable(f"Running {key}: it isn't loaded: {lakehouse.left_out[key]}")
    if key not in lakehouse.tables:
        raise UnknownTable(f"Running {key!r}: no table is called that; there are {', '.join(lakehouse.tables)}")
    return lakehouse.tables[key]


def _carried_out(table: Table, request: Request, context: Context) -> Outcome:
    if request.forget:
        return forget(table, context, request.forget, request.user, request.reason)
    if request.replay:
        return replay(table, context)
    refuse(table)
    if request.days and not request.full:
        return backfill(table, context, *request.days)
    return update(table, context, request.full, request.accept_loss)
