"""A model as it is declared, and the table of its scores."""
