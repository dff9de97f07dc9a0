"""Containers of Azure Cosmos DB as a store: an item for each row, and after all of them, the version they lead to."""
