"""Topics of Kafka as a store: a message for each row that changed, and the version that they lead to, at once."""
