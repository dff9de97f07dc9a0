"""The tables of a domain as one job, whose steps Dagster has as ever."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.assets import Runner, build_asset, in_process
from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import IN_ONE, Jobs, told

ONE_JOB = """
from datetime import timedelta
from lakehouse_assets.engine import Domain
shop = Domain(owner="team:shop", schedule="0 6 * * *", freshness=timedelta(days=1), run_as_one_job=True)
"""
SILVER = """
@table(raw="bronze.{raw}", expect=[fail("int(amount) > 0", name="positive")], write=append(),
       checks=[TableCheck("many", "SELECT n FROM (SELECT count(*) n FROM {{table}}) WHERE n < {least}")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw
"""


@pytest.fixture
def domain(project: Project, jobs: Jobs) -> Project:
    """Tables that run as one job: `bad` breaks an expectation, `few` a check that blocks; each has a reader in gold."""
    (project.root / project.package / "shop" / "__init__.py").write_text(ONE_JOB)
    for name, raw, least in (("bad", "orders", 0), ("good", "parcels", 1), ("few", "parcels", 100)):
        project.table(f"silver.{name}", SILVER.format(name=name, raw=raw, least=least))
        project.table(f"gold.of_{name}", f'of_{name} = sql_table(r="silver.{name}", sql="SELECT * FROM r")')
    project.bronze("parcels")
    project.land("parcels/1.csv", "id,amount\n1,5\n")
    return project


def made(project: Project, jobs: Jobs, names: Sequence[str], runner: Runner | None = None) -> dg.ExecuteInProcessResult:
    """Materialise tables in one run of a Dagster instance of its own, by jobs unless another runner does."""
    lakehouse = project.lakehouse
    runner = runner or on_databricks(lakehouse)
    assets = [build_asset(lakehouse.tables[f"shop.{name}"], lakehouse, runner) for name in names]
    return dg.materialize(assets, resources={**project.resources, "databricks": jobs.resource}, raise_on_error=False)


def steps(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """How each step ended that was begun."""
    ends = {"STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"}
    return {str(e.step_key): e.event_type_value for e in result.all_events if e.event_type_value in ends}


@IN_ONE
def test_the_tables_of_a_domain_are_one_job_in_which_what_reads_a_failed_one_is_left_out(
    domain: Project, jobs: Jobs
) -> None:
    names = [key.removeprefix("shop.") for key in domain.lakehouse.tables if key != "shop.silver.orders"]
    before = len(jobs.workspace.seen["jobs"])
    far = made(domain, jobs, names)
    assert len(jobs.workspace.seen["jobs"]) == before + 1
    missing = [name for name in ("of_bad", "of_few", "of_good") if not list(Path(domain.lake.root).rglob(name))]
    shutil.rmtree(domain.lake.root)
    near = made(domain, jobs, names, in_process(domain.lakehouse))
    assert told(far, domain) == told(near, domain)
    assert steps(far) == steps(near)
    assert {name.rpartition("__")[2] for name in steps(far)} == {"orders", "parcels", "bad", "few", "good", "of_good"}
    assert missing == ["of_bad", "of_few"]


FLAKY = """
from pathlib import Path
from lakehouse_assets.engine.errors import SparkUnavailable
@table(raw="bronze.orders")
def flaky(raw: DataFrame) -> DataFrame:
    if not Path({mark!r}).exists():
        Path({mark!r}).touch()
        raise {error}("Computing: the engine went away")
    return raw
"""
OF_BOTH = 'of_both = sql_table(r="silver.flaky", s="silver.good", sql="SELECT r.* FROM r, s")'
WITH_FLAKY = (
    "bronze.orders", "bronze.parcels", "silver.flaky", "silver.good", "gold.of_flaky", "gold.of_both", "gold.of_good",
)  # fmt: skip


@pytest.fixture
def flaky(domain: Project, tmp_path: Path) -> Callable[[str], Project]:
    """Declares a table that fails by an error once; what reads it reads others too."""

    def declared(error: str) -> Project:
        domain.table("silver.flaky", FLAKY.format(mark=str(tmp_path / "mark"), error=error))
        domain.table("gold.of_flaky", 'of_flaky = sql_table(r="silver.flaky", sql="SELECT * FROM r")')
        domain.table("gold.of_both", OF_BOTH)
        return domain

    return declared


def tables(requests: list[str]) -> list[str]:
    """What was asked for, each time that it was."""
    return sorted(from_json(Request, it).table.removeprefix("shop.") for it in requests)


def written_once(project: Project, names: Sequence[str]) -> bool:
    return [len(project.log(name).commits) for name in names] == [1] * len(names)


def test_a_step_that_is_tried_again_has_its_table_and_what_reads_it_computed_by_another_job(
    flaky: Callable[[str], Project], jobs: Jobs
) -> None:
    project, before = flaky("SparkUnavailable"), len(jobs.workspace.seen["jobs"])
    with jobs.counted() as begun:
        assert made(project, jobs, WITH_FLAKY).success
    # The first job left out what reads the table. One of these also reads what that job had still to tell of.
    assert tables(begun) == sorted([*WITH_FLAKY, "silver.flaky", "gold.of_flaky", "gold.of_both"])
    assert written_once(project, WITH_FLAKY)
    assert len(project.rows("gold.of_both")) == 3
    assert {end for end, _ in jobs.workspace.seen["ends"][before:]} == {"TERMINATED"}


_kept = dict[str, dg.JobDefinition]()


def kept(package: str) -> dg.JobDefinition:
    """The job of a test's package, by which Dagster finds it again for a second run."""
    return _kept[package]


def test_a_run_that_is_tried_again_from_its_failure_asks_for_no_table_that_was_built(
    flaky: Callable[[str], Project], jobs: Jobs, tmp_path: Path
) -> None:
    project = flaky("RuntimeError")
    lakehouse, resources = project.lakehouse, {**project.resources, "databricks": jobs.resource}
    _kept[project.package] = compile_definitions(lakehouse, resources, on_databricks(lakehouse)).resolve_job_def("shop")
    selected = [asset_key(f"shop.{name}") for name in WITH_FLAKY]
    again = dg.build_reconstructable_job(__name__, "kept", (project.package,))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with dg.execute_job(again, instance, asset_selection=selected, raise_on_error=False) as first:
            assert not first.success
        options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        with (
            jobs.counted() as begun,
            dg.execute_job(again, instance, reexecution_options=options, raise_on_error=False) as second,
        ):
            assert second.success
    assert tables(begun) == ["gold.of_both", "gold.of_flaky", "silver.flaky"]
    assert written_once(project, WITH_FLAKY)


def test_a_table_that_failed_is_not_computed_again_by_a_later_job_of_the_run(domain: Project, jobs: Jobs) -> None:
    apart = 'apart = sql_table(r="silver.good", sql="SELECT * FROM r", compute=ExistingCluster("0101-abc"))'
    domain.table("gold.apart", apart)
    domain.table("gold.late", 'late = sql_table(r="gold.apart", sql="SELECT * FROM r")')
    names = ("bronze.orders", "bronze.parcels", "silver.bad", "silver.good", "gold.apart", "gold.late")
    before = len(jobs.workspace.seen["jobs"])
    with jobs.counted() as begun:
        assert not made(domain, jobs, names).success
    assert tables(begun) == sorted(names)
    assert len(jobs.workspace.seen["jobs"]) == before + 3
    assert len(domain.rows("gold.late")) == 1


def test_checks_alone_are_one_job_that_writes_nothing(domain: Project, jobs: Jobs) -> None:
    names = ("bronze.orders", "bronze.parcels", "silver.few", "silver.good")
    made(domain, jobs, names)
    versions = [domain.log(name).version for name in names]
    lakehouse, before = domain.lakehouse, len(jobs.workspace.seen["jobs"])
    resources = {**domain.resources, "databricks": jobs.resource}
    job = compile_definitions(lakehouse, resources, on_databricks(lakehouse)).resolve_job_def("checks")
    with jobs.counted() as begun:
        done = job.execute_in_process(raise_on_error=False)
    assert all(from_json(Request, it).only_checks for it in begun)
    assert len(jobs.workspace.seen["jobs"]) == before + 1
    assert not done.get_asset_materialization_events()
    found = {(c.asset_key.path[-1], c.check_name): c.passed for c in done.get_asset_check_evaluations()}
    assert (found["few", "many"], found["good", "many"]) == (False, True)
    assert [domain.log(name).version for name in names] == versions
