"""What a file is, looked at before Spark opens it."""
