"""What a run takes in, from position to position, decided from the logs alone."""
