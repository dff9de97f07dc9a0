"""A sensor of a code location, ticked and obeyed as Dagster's daemon does it, here in this process."""

from __future__ import annotations

import dagster as dg


class Sensor:
    """Keeps the cursor from one tick to the next."""

    def __init__(self, loaded: dg.Definitions, name: str, instance: dg.DagsterInstance) -> None:
        self.lake, self.instance, self.cursor = (loaded.resources or {})["lake"], instance, None
        self.definition = loaded.resolve_sensor_def(name)
        self.loaded = loaded

    @property
    def job(self) -> dg.JobDefinition:
        """The job that it runs, or a part of."""
        return self.loaded.resolve_job_def(self.definition.job_name)

    def tick(self) -> dg.SensorExecutionData:
        """What the sensor decides now."""
        context = dg.build_sensor_context(self.instance, self.cursor, resources={"lake": self.lake})
        decision = self.definition.evaluate_tick(context)
        self.cursor = decision.cursor or self.cursor
        return decision

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.job.execute_in_process(
            instance=self.instance,
            tags=request.tags,
            run_config=request.run_config,
            asset_selection=request.asset_selection,
            raise_on_error=False,
        )
