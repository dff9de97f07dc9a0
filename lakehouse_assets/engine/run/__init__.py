"""The path of every materialisation, one file a step; `run/materialize.py` has the list of the steps."""
