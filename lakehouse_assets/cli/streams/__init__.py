"""Commands about topics and their messages."""
