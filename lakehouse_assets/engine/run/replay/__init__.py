"""Rows in quarantine that are judged again."""
