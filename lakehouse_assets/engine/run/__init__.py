"""read → build → check → write → report: the path of every materialisation, one file a step."""
