"""Tables as they are stored: where they are, what their logs say, how a commit is made."""
