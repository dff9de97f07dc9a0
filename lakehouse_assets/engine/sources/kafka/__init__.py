"""Topics of Kafka, and event hubs by their Kafka endpoint: where they are, how far they go, and what is in them."""
