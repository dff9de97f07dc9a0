"""Feature values: joined to rows as they were known at a time, and looked up for one entity now."""
