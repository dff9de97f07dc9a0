"""Sinks as they are declared: which table is brought to which store."""
