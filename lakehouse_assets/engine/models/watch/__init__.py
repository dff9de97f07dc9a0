"""Models watched: how far the rows they score have drifted, and how good the scores are by the labels known since."""
