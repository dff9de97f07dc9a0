"""Which files are there, which of them were read, and what becomes of them."""
