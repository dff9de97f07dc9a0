"""What rows and tables have to be: rows are judged, rejected ones are kept, a rebuild is audited."""
