"""One class per outside thing: Spark, the lake."""
