"""The runs of a workspace's jobs, which really run what is submitted: wheels, and what stands for notebooks, SQL and
JARs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TOKEN = "let me in"
# Above the ids that tests give to the runs of others.
FIRST_RUN = 1_000_000
# Runs the entry point of a package with the parameters of a task, as a Python wheel task does. Then the session ends,
# as it would with its cluster: a hundred of them fill the suite's engine.
START = """
import sys
from importlib.metadata import distribution
package, name, *sys.argv[1:] = sys.argv[1:]
try:
    next(e for e in distribution(package).entry_points if e.name == name).load()()
finally:
    from pyspark.sql import SparkSession
    if session := SparkSession.getActiveSession():
        session.client.release_session()
"""
# Runs a notebook of Python with the widgets that it's given, as the first cell of a cluster would.
NOTEBOOK = """
import json, sys
from types import SimpleNamespace
from pyspark.sql import SparkSession
path, told = sys.argv[1], json.loads(sys.argv[2])
spark = SparkSession.builder.getOrCreate()
dbutils = SimpleNamespace(widgets=SimpleNamespace(get=told.__getitem__, getAll=lambda: told))
try:
    exec(compile(open(path).read(), path, "exec"), {"spark": spark, "dbutils": dbutils, "__name__": "__main__"})
finally:
    spark.client.release_session()
"""
# Runs the statements of a file of SQL, in which `:name` is a parameter, as a warehouse does.
SQL = """
import json, sys
from pyspark.sql import SparkSession
spark, told = SparkSession.builder.getOrCreate(), json.loads(sys.argv[2])
try:
    for statement in filter(str.strip, open(sys.argv[1]).read().split(";")):
        spark.sql(statement, args=told).collect()
finally:
    spark.client.release_session()
"""


@dataclass
class Run:
    """A run of a job, as the service tells of it."""

    id: int
    job: Json
    state: str = "PENDING"
    result: str = ""
    message: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    cancelled: bool = False

    def told(self, address: str) -> Json:
        state: Json = {"life_cycle_state": self.state, "state_message": self.message}
        if self.result:
            state["result_state"] = self.result
        tasks = [
            {"task_key": t["task_key"], "run_id": self.id * 100 + n, "state": self._of_task(t["task_key"], state),
             "cluster_instance": {"cluster_id": t.get("existing_cluster_id", f"cluster-{self.id}")}}
            for n, t in enumerate(self.job["tasks"])
        ]  # fmt: skip
        return {
            "run_id": self.id, "run_name": self.job.get("run_name"), "state": state, "tasks": tasks,
            "run_page_url": f"{address}/jobs/runs/{self.id}", "setup_duration": 1500, "execution_duration": 2500,
        }  # fmt: skip

    def _of_task(self, key: str, state: Json) -> Json:
        end = self.ends.get(key)
        return {"life_cycle_state": "TERMINATED", "result_state": end} if end else state


@dataclass
class Workspace:
    """What is in the workspace: its files, its secrets and its runs; and what goes wrong next."""

    folder: Path
    address: str = ""
    serverless: str = ""
    runs: dict[int, Run] = field(default_factory=dict)
    by_token: dict[str, Run] = field(default_factory=dict)
    faults: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)  # jobs that others own, each with its `runs`
    started: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, path: str) -> Json:
        """What goes wrong at this call, if anything; a fault is over after its `times`."""
        with self.lock:
            for fault in self.faults:
                if fault["times"] > 0 and fault["at"] in path:
                    fault["times"] -= 1
                    return fault
        return {}

    def submit(self, job: Json) -> Json:
        token = job.get("idempotency_token", "")
        with self.lock:
            if token and token in self.by_token:
                return {"run_id": self.by_token[token].id}
            run = Run(FIRST_RUN + len(self.runs), job)
            self.runs[run.id] = run
            if token:
                self.by_token[token] = run
        threading.Thread(target=self._carry_out, args=(run,), daemon=True).start()
        return {"run_id": run.id}

    def _carry_out(self, run: Run) -> None:
        fault = self.fault("start")
        time.sleep(fault.get("seconds", 0))
        if fault.get("state"):
            run.message, run.result, run.state = fault["message"], fault.get("result", ""), fault["state"]
            return
        run.state = "RUNNING"
        for task in run.job["tasks"]:
            if run.cancelled:
                break
            key, before = task["task_key"], {it["task_key"] for it in task.get("depends_on", ())}
            if any(run.ends[it] != "SUCCESS" for it in before):
                run.ends[key] = "UPSTREAM_FAILED"
            elif error := self._failed(run, task, fault.get("kill_after")):
                run.errors[key], run.ends[key] = error, "CANCELED" if run.cancelled else "FAILED"
            else:
                run.ends[key] = "SUCCESS"
        run.state = "TERMINATING"
        run.result = "CANCELED" if run.cancelled else "FAILED" if run.errors else "SUCCESS"
        run.result = fault.get("result", run.result)
        run.message = "Run cancelled." if run.cancelled else fault.get("message", "")
        run.state = "TERMINATED"

    def _failed(self, run: Run, task: Json, kill_after: float | None) -> str:
        """Run a task; what it printed as errors, if it failed."""
        wheel = task.get("python_wheel_task", {})
        if wheel.get("parameters", [])[:1] == ["--requests"]:
            self.started.update(self._text(wheel["parameters"]).splitlines())
        libraries = [it["whl"] for it in task.get("libraries", ()) if "whl" in it]
        libraries += [d for e in run.job.get("environments", ()) for d in e["spec"]["dependencies"]]
        installed = [str(self._installed(Path(it))) for it in libraries]
        env = {
            **os.environ, "PYTHONPATH": os.pathsep.join([*installed, str(self.folder / "site")]),
            "DATABRICKS_HOST": self.address, "DATABRICKS_TOKEN": TOKEN,
        }  # fmt: skip
        if "environment_key" in task:
            env["SPARK_REMOTE"] = self.serverless
        run.process = subprocess.Popen(
            [sys.executable, *self._program(task)], env=env, cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if kill_after is not None:
            threading.Timer(kill_after, run.process.kill).start()
        run.printed[task["task_key"]], errors = run.process.communicate()
        return errors[-4000:] or f"exit code {run.process.returncode}" if run.process.returncode else ""

    def _text(self, parameters: list[str]) -> str:
        """The file of requests, which may be a blob; the way to its account is a secret of the scope that is named."""
        if "://" not in parameters[1]:
            return Path(parameters[1]).read_text()
        from azure.storage.blob import BlobClient

        scopes = json.loads((self.folder / "secrets.json").read_text())
        way = scopes[parameters[parameters.index("--secrets") + 1]]["azure-storage-connection-string"]
        container, _, rest = parameters[1].partition("://")[2].partition("@")
        with BlobClient.from_connection_string(way, container, rest.partition("/")[2]) as blob:
            return blob.download_blob().readall().decode()

    def _program(self, task: Json) -> list[str]:
        """What Python is given. What would be in the workspace is in FOLDER/workspace, notebooks with `.py` behind."""
        there = f"{self.folder}/workspace"
        match task:
            case {"notebook_task": told}:
                return ["-c", NOTEBOOK, f"{there}{told['notebook_path']}.py", json.dumps(told["base_parameters"])]
            case {"sql_task": told}:
                return ["-c", SQL, f"{there}{told['file']['path']}", json.dumps(told["parameters"])]
            case {"spark_jar_task": told}:  # a file of Python stands for the JAR
                return [task["libraries"][0]["jar"], *told["parameters"]]
        wheel = task["python_wheel_task"]
        return ["-c", START, wheel["package_name"], wheel["entry_point"], *wheel["parameters"]]

    def _installed(self, wheel: Path) -> Path:
        place = self.folder / "installed" / wheel.name
        with self.lock:
            if not place.exists():
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
                subprocess.run([*pip, str(wheel)], check=True)
        return place

    def cancel(self, run: Run) -> None:
        run.cancelled = True
        if run.process is not None:
            run.process.send_signal(signal.SIGTERM)
        elif run.state == "PENDING":
            run.state, run.result, run.message = "TERMINATED", "CANCELED", "Run cancelled."

    def seen(self) -> Json:
        """What a test asks for: the jobs as submitted, how often each request was begun, and calls by their path."""
        jobs = [run.job for run in self.runs.values()]
        ends = [(run.state, run.result) for run in self.runs.values()]
        return {"jobs": jobs, "ends": ends, "started": dict(self.started), "calls": dict(self.calls)}
