"""A table of features as it is declared: whom its rows are about, and since when they are known."""
