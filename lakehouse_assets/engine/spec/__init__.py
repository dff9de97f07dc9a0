"""What is declared: frozen values, one file a kind, and the words that make them."""
