"""The vocabulary: all that a domain file may import from the engine."""

from lakehouse_assets.engine.feature_store.as_of import as_of
from lakehouse_assets.engine.sources.kafka.avro import avro
from lakehouse_assets.engine.spec.alerts import alert
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.cdc import canal, debezium, maxwell
from lakehouse_assets.engine.spec.checks import TableCheck, null_share, reconciled, references, up_to_date, volume
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.compute import Cluster, ExistingCluster, Serverless
from lakehouse_assets.engine.spec.declare import (
    append,
    extract,
    files,
    history,
    http,
    lookup,
    merge,
    refresh,
    replace,
    snapshots,
    sql_table,
    table,
)
from lakehouse_assets.engine.spec.elsewhere.declare import external_table, task_table
from lakehouse_assets.engine.spec.elsewhere.tasks import Jar, Job, Notebook, SqlFile
from lakehouse_assets.engine.spec.expectations import (
    Expectation,
    Watermark,
    between,
    drop,
    fail,
    matches,
    not_null,
    one_of,
    typed,
    warn,
)
from lakehouse_assets.engine.spec.features.declare import features, sql_features
from lakehouse_assets.engine.spec.models.declare import model, score
from lakehouse_assets.engine.spec.models.metrics import Gate, Metric
from lakehouse_assets.engine.spec.models.model import FeatureLookup, Training
from lakehouse_assets.engine.spec.models.monitor import Drift, Quality
from lakehouse_assets.engine.spec.models.search import Choice, Range, Search
from lakehouse_assets.engine.spec.models.split import AtRandom, ByFlag, ByGroup, ByTime
from lakehouse_assets.engine.spec.modes import Daily
from lakehouse_assets.engine.spec.sinks.declare import cosmos, kafka_topic, postgres, sink
from lakehouse_assets.engine.spec.streams.declare import kafka
from lakehouse_assets.engine.spec.streams.windows import windows

__all__ = [
    "AtRandom",
    "ByFlag",
    "ByGroup",
    "ByTime",
    "Choice",
    "Cluster",
    "Column",
    "Daily",
    "Domain",
    "Drift",
    "ExistingCluster",
    "Expectation",
    "FeatureLookup",
    "Gate",
    "Jar",
    "Job",
    "Metric",
    "Notebook",
    "Quality",
    "Range",
    "Search",
    "Serverless",
    "SqlFile",
    "TableCheck",
    "Training",
    "Watermark",
    "alert",
    "append",
    "as_of",
    "avro",
    "between",
    "canal",
    "cosmos",
    "debezium",
    "drop",
    "external_table",
    "extract",
    "fail",
    "features",
    "files",
    "history",
    "http",
    "kafka",
    "kafka_topic",
    "lookup",
    "matches",
    "maxwell",
    "merge",
    "model",
    "not_null",
    "null_share",
    "one_of",
    "postgres",
    "reconciled",
    "references",
    "refresh",
    "replace",
    "score",
    "sink",
    "snapshots",
    "sql_features",
    "sql_table",
    "table",
    "task_table",
    "typed",
    "up_to_date",
    "volume",
    "warn",
    "windows",
]
