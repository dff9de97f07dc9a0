"""A lakehouse whose every table is a Dagster asset, declared in one small file."""
