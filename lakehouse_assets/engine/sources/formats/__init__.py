"""Files of each format, read into DataFrames with every value kept."""
