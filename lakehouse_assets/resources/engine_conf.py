"""What every local engine is told: the flags of its JVM, and the settings of Spark."""

from __future__ import annotations

# A quarter of the memory is for what is new, from the start (-Xms, below): of 3 GB, the JVM would begin with 130 MB
# for it, and collect garbage three times as often: 6 % of a build. Room for its classes spares it five whole
# collections while it starts.
JVM = (
    "-XX:+UseSerialGC -XX:NewRatio=3 -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=512m -XX:-DontCompileHugeMethods"
    # Its counters would be in a folder of /tmp, with the command line among them.
    " -XX:-UsePerfData"
    # A message in Avro may lie of a length: 2 GB would be made room for, and a task that has none fails the run.
    " -Dorg.apache.avro.limits.bytes.maxLength=268435456 -Dorg.apache.avro.limits.string.maxLength=268435456"
    " -Dorg.apache.avro.limits.collectionItems.maxLength=10000000"
)
CONF = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    # The ports of its RPC and of its block manager, which take Java objects, listen on loopback too. What goes through
    # them isn't encrypted (spark.network.crypto): only root could read it, and 2 of 6 engines lost an answer in that.
    "spark.authenticate": "true",
    # A port that is taken fails the start; Spark would listen on the next one, where nobody looks for it.
    "spark.port.maxRetries": "0",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Delta replays a log with 50 partitions unless told otherwise: 5 to 10 times the cost of a small write.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Delta keeps what it knows of 10,000 tables for an hour unless told otherwise. That is up to 0.9 MB a table, plans
    # for the most part: after 2,500 tables an engine of 3 GB did little but collect garbage.
    "spark.databricks.delta.delta.log.cacheSize": "500",
    # A session that its client left behind, as a process that ends does, keeps what it knows for an hour unless told
    # otherwise: plans of some 10 MB. With a hundred of them, an engine of 3 GB did little but collect garbage.
    "spark.connect.session.manager.defaultSessionTimeout": "20m",
    # Many files are listed by a Spark job with a task a file, unless told otherwise: 1.4 s for 365 files, 0.1 with 8.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.sql.session.timeZone": "UTC",
    # A task that asks for more memory than there is fails alone. Spark would end the engine, and every run on it.
    "spark.executor.killOnFatalError.depth": "0",
    # Runs that read no more than this are interpreted (engine/run/small_runs.py).
    "spark.lakehouse.interpretedBytes": "1000000",
    # The lineage of columns is read off the plan, which must not be cut.
    "spark.sql.debug.maxToStringFields": "100000",
    # Otherwise every column expression records the Python stack it was made in.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # Spark's own pattern, and what Azure's keys and signatures are called.
    "spark.redaction.regex": r"(?i)secret|password|passwd|token|access[.]?key|account[.]key|[.]sas[.]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}
