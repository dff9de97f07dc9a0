"""What other services are told, made from the declarations."""
