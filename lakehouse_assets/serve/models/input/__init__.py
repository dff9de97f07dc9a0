"""From the bytes of a request to what a model takes: parsed, then held to the model's signature."""
