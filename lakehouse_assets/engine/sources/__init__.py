"""Files that arrive: which are there, and what is in them."""
