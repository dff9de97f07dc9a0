"""Tables that jobs make which others own: shown, watched, and never run."""
