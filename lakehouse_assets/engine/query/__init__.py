"""What Spark says of a query, and what a query may say."""
