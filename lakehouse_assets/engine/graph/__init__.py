"""All that is declared, found and held against one another before anything runs."""
