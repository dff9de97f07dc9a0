"""Alerts: which episodes there are, and how people are told of them."""
