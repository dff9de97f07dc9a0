"""Tables of messages as they are declared: topics of Kafka, and event hubs by their Kafka endpoint."""
