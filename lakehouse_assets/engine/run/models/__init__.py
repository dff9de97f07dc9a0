"""Runs of models: trained if there is reason to, and watched once they score."""
