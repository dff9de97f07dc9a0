"""What goes on beside runs that end: the continuous run of a domain, and how old the newest data are."""
