"""Tests of the domains on their real data, against the same figures computed apart from the lakehouse."""
