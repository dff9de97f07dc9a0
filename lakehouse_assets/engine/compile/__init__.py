"""spec → Dagster, one file per Dagster noun."""
