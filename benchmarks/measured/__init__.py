"""The benchmarks, one file each: `run` gives the lines of its table."""
