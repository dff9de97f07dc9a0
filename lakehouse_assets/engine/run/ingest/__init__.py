"""How a table takes in files that arrive."""
