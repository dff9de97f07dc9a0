"""Tests of the served UI: what its guard refuses, how it starts and stops, and that a browser shows it."""
