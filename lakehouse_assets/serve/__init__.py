"""The web UI for one person at one machine: code server, daemon and a guarded web server under one supervisor.

`serve` is what `lakehouse dev` and `python -m lakehouse_assets.serve` call. Dagster's own web server has no sign-in and
answers any page that the same browser has open; the one started here answers only itself (guard.py).
"""

from lakehouse_assets.serve.supervisor import serve

__all__ = ["serve"]
