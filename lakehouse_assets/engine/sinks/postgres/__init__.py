"""PostgreSQL as a store: a table's rows, and the version that they are of, in one transaction."""
