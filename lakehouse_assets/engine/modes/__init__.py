"""How new rows come into a table, one file a write mode."""
