"""`python -m lakehouse_assets.serve`: the options of `serve` on a command line."""

import argparse
import sys

from lakehouse_assets.serve.supervisor import DEFINITIONS, serve


def main() -> int:
    """Serve until stopped; the exit code is the one that `serve` documents."""
    parser = argparse.ArgumentParser(prog="python -m lakehouse_assets.serve", description="Serve the lakehouse UI.")
    parser.add_argument("--port", type=int, default=3000, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--module", default=DEFINITIONS, help="module that holds the definitions")
    parser.add_argument("--allow-remote", action="store_true", help="listen beyond this machine, behind a sign-in")
    parser.add_argument("--trusted-host", action="append", default=[], metavar="NAME", help="name people reach it by")
    parser.add_argument("--trusted-user", action="append", default=[], metavar="NAME", help="user of the proxy")
    parser.add_argument("--mlflow", type=int, metavar="PORT", help="serve MLflow's UI there too, on loopback")
    given = parser.parse_args()
    return serve(
        given.port,
        given.host,
        module=given.module,
        allow_remote=given.allow_remote,
        trusted_hosts=given.trusted_host,
        trusted_users=given.trusted_user,
        mlflow=given.mlflow,
    )


if __name__ == "__main__":
    sys.exit(main())
