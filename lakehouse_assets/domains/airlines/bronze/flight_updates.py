"""What is told of a flight while it's on its way, a message each time, as JSON and as it came."""

from lakehouse_assets.engine import kafka

flight_updates = kafka("flight-updates", continuous=True)
