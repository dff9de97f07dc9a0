"""Scores: a registered model brought here, loaded, and asked for a score a row, by pandas or by Spark."""
