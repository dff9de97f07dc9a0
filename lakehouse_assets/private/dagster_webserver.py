"""What is used of Dagster's web server, which has no interface for programs. Read from dagster-webserver 1.13.27.

When the version is raised, look at `dagster_webserver/cli.py`: its `host_dagster_ui_with_workspace_process_context` is
what `serve/webserver.py` does with a guard in front. It takes seconds to load, so only that program imports this.
"""

# The instance that DAGSTER_HOME names, opened as Dagster's own commands open it.
from dagster._cli.utils import get_instance_for_cli

# What the server asks of code servers: its constructor takes nothing else.
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext

# A workspace by its file, as `--workspace` gives it.
from dagster._core.workspace.load_target import WorkspaceFileTarget

# Which the context is told, and the UI shows.
from dagster_webserver.version import __version__

# The application: its command line takes neither a middleware nor a socket that is bound.
from dagster_webserver.webserver import DagsterWebserver

__all__ = [
    "DagsterWebserver",
    "WorkspaceFileTarget",
    "WorkspaceProcessContext",
    "WorkspaceRequestContext",
    "__version__",
    "get_instance_for_cli",
]
