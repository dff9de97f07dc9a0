"""What a run does to the store of a sink."""
