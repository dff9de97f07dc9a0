"""Runs beside the warm engine: starts its JVM, says where it listens, stops it when it was idle for long enough.

A program, not a module: it gets its orders as JSON on standard input, and uses the standard library only. What the JVM
writes beside the tables (blocks, spills, artifacts) is in a folder of its own, for this user alone and for as long.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

POLL_SECONDS = 0.5
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """Run the engine until it ends, is told to stop, or has been idle for long enough."""
    orders = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    folder = Path(orders["folder"])
    scratch, state, idle = _scratch(folder), folder / "state.json", False
    if orders["note"]:
        print(orders["note"], flush=True)  # to the engine's log
    jvm = _launch(orders, scratch)

    signal.signal(signal.SIGTERM, _stop)
    try:
        if _wait_for_port(jvm, orders["port"]):
            publish(state, {"pid": jvm.pid, "supervisor": os.getpid(), "started": time.time(), **_address(orders)})
            idle = _watch(jvm, folder, orders["idle_seconds"])
    except Stopped:
        pass
    state.unlink(missing_ok=True)
    code = _end(jvm, orders["end_seconds"])
    shutil.rmtree(scratch, ignore_errors=True)
    if idle and orders["when_idle"]:
        subprocess.Popen(orders["when_idle"], start_new_session=True, cwd=folder)
    return code


class Stopped(BaseException):
    """Somebody asked the supervisor to stop."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the end must not be interrupted
    raise Stopped


def _scratch(folder: Path) -> Path:
    """The JVM's folder for temporary files; its name tells whose it is."""
    scratch = folder / f"tmp-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    return scratch


def _launch(orders: dict[str, Any], scratch: Path) -> subprocess.Popen[bytes]:
    """Start the JVM with its settings in a file, as everybody can read a command line."""
    conf = dict(orders["conf"])
    conf["spark.driver.extraJavaOptions"] += f' "-Djava.io.tmpdir={scratch}"'
    settings = scratch / "spark.conf"
    settings.touch(mode=0o600)
    settings.write_text("".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in conf.items()))
    env = {**os.environ, "SPARK_CONNECT_AUTHENTICATE_TOKEN": orders["token"], "SPARK_LOCAL_IP": "127.0.0.1"}
    env |= {"SPARK_LOCAL_DIRS": str(scratch), "TMPDIR": str(scratch)}
    env["PYSPARK_PYTHON"] = sys.executable  # of its workers, which would take the first python3 on the PATH
    for name in ("SPARK_REMOTE", "SPARK_HOME", "SPARK_CONNECT_MODE_ENABLED"):
        env.pop(name, None)
    command = [*orders["command"], "--properties-file", str(settings), "--class", SERVER, "spark-internal"]
    return subprocess.Popen(command, env=env, cwd=scratch, preexec_fn=_die_with_parent)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _address(orders: dict[str, Any]) -> dict[str, Any]:
    return {"port": orders["port"], "token": orders["token"]}


def _wait_for_port(jvm: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the JVM has come to listen on its port; False if it has ended instead."""
    from lakehouse_assets.loopback import can_tell, listener

    while jvm.poll() is None:
        with socket.socket() as probe:
            if listener(jvm.pid, port) or (not can_tell() and probe.connect_ex(("127.0.0.1", port)) == 0):
                return True
        time.sleep(0.1)
    return False


def publish(path: Path, state: dict[str, Any]) -> None:
    """Write a state that this user alone may read, whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(state))
    scratch.replace(path)


def _watch(jvm: subprocess.Popen[bytes], folder: Path, idle_seconds: float) -> bool:
    """Return when the JVM ended, or True when nobody held the clients' lock for `idle_seconds`."""
    clients = os.open(folder / "clients.lock", os.O_CREAT | os.O_RDWR, 0o600)
    last_used = time.monotonic()
    while jvm.poll() is None:
        if not _free(clients):
            last_used = time.monotonic()
        elif time.monotonic() - last_used > idle_seconds:
            # Still locked: a client that comes now waits until the state file is gone, then starts a new engine.
            return True
        else:
            fcntl.flock(clients, fcntl.LOCK_UN)
        time.sleep(POLL_SECONDS)
    return False


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end(jvm: subprocess.Popen[bytes], seconds: float) -> int:
    jvm.terminate()
    try:
        return jvm.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        jvm.kill()
        return jvm.wait()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])  # for this folder, whose azure.py would stand for Azure's packages
    sys.exit(main())
