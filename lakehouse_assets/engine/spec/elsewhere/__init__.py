"""Tables as they are declared that are not computed by us: by tasks of Databricks, and by jobs of others."""
