"""Sinks as Dagster assets."""
