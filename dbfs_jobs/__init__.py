"""Programs that a cluster runs: each parses its arguments and calls the engine."""
