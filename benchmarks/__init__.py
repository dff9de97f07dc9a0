"""What the lakehouse costs beside doing the same by hand, as ratios: `python -m benchmarks`, results in RESULTS.md."""
