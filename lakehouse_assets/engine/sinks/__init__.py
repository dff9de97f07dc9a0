"""How a store comes to have the rows of a table: what changed, and each store's way to take it once."""
