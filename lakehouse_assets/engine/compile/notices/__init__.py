"""What people are told of a domain: runs that failed, checks that fail, and tables that are stale."""
