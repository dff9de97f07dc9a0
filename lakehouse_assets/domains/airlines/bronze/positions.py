"""Where aircraft are, as they report it every few seconds: a message each, as JSON and as it came."""

from lakehouse_assets.engine import kafka

positions = kafka("positions", continuous=True)
