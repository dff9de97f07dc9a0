"""The process that outlives the supervisor by a moment and ends whatever it left behind.

It leads the process group that every child joins, and waits for the end of its standard input, whose other end only the
supervisor holds: however the supervisor dies, SIGKILL included, the kernel closes that end. It then ends the group, and
with it grandchildren, which PR_SET_PDEATHSIG does not reach: the loaded code and the runs in it. A process that starts
a session of its own (the warm Spark engine) has left the group and lives on. Its one argument is the supervisor's
scratch folder, which it removes.
"""

import os
import shutil
import signal
import sys
import time

GRACE_SECONDS = 5.0  # a run told to stop records that it stopped; without that it holds its place in the queue


def main() -> None:
    """Wait, then end the group that this process leads, itself included."""
    if os.getpgrp() != os.getpid():
        sys.exit("the keeper must lead a process group of its own; it is started by lakehouse_assets.serve")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
