"""What README and docs/ say and name is there: links, paths, commands, settings, words; and how they say it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from datetime import date

import pytest
import typer
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster_dg_cli.cli.launch import launch_command

from lakehouse_assets import engine
from lakehouse_assets.cli import app
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import PROJECT, VARIABLES
from lakehouse_assets_tests.documents import BLOCKS, PAGES, Page, commands

ROOTS = [PROJECT / folder for folder in ("", "lakehouse_assets", "lakehouse_assets/engine", "lakehouse_assets_tests")]
KINDS = "py|md|yaml|toml|cfg|lock"
# What runs these are in: a figure of folders, or a service that isn't here.
SHOWN_ONLY = {
    ("README.md", "24 of 32 tables and models have something to do."): "seconds differ from run to run",
    ("docs/architecture.md", "lakehouse_assets/"): "folders, whose names are looked up",
    ("docs/architecture.md", " click, schedule, sensor, or `lakehouse run`"): "a figure, whose paths are looked up",
    ("docs/azure.md", "LAKEHOUSE_LAKE=abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/lake"): "needs an account",
    ("docs/databricks.md", "LAKEHOUSE_COMPUTE=databricks"): "needs a workspace",
    ("docs/databricks.md", "LAKEHOUSE_SPARK=sc://WORKSPACE:443/;token=TOKEN;x-databricks-cluster-id=CLUSTER"):
        "needs a cluster",
    ("docs/databricks.md",
     "lakehouse-run-asset airlines.silver.flights airlines.gold.dim_date --lake abfss://… --landing abfss://…"):
        "needs a cluster",
}  # fmt: skip
MAKE = {line.split()[1] for line in commands() if line.startswith("make ")}


def page(name: str) -> Page:
    (found,) = [p for p in PAGES if p.name == name]
    return found


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_sentences_are_short(page: Page) -> None:
    lengths = {sentence: len(sentence.split()) for sentence in page.sentences}
    assert not [s for s, words in lengths.items() if words > 30]
    if lengths:
        assert sum(lengths.values()) / len(lengths) <= 17


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    for link in page.links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), link
        assert not anchor or anchor in Page(path).anchors, link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_that_is_named_exists(page: Page) -> None:
    in_line = [code for code in page.code if re.fullmatch(rf"[\w.-]+(/[\w.-]+)*(/|\.({KINDS}))", code)]
    in_figures = [path for block in page.blocks if (page.name, first(block.text)) in SHOWN_ONLY
                  for path in re.findall(r"[a-z][\w/]*\.py\b", block.text)]  # fmt: skip
    folders = {"docs/decisions/", "deploy/adf"}
    for path in [*in_line, *in_figures]:
        there = any((root / path).exists() for root in ROOTS) or path in folders
        assert (
            there or path.startswith(("_archive", ".dagster", "landing/", "wheels/", "runs/")) or path == "utils.py"
        ), path


def test_the_figure_of_the_folders_has_every_folder_of_the_engine() -> None:
    (figure,) = [b.text for b in page("docs/architecture.md").blocks if first(b.text) == "lakehouse_assets/"]
    named = re.findall(r"(\w+)/", figure)
    there = [f.name for f in (PROJECT / "lakehouse_assets" / "engine").iterdir() if (f / "__init__.py").exists()]
    assert set(there) <= set(named)


def test_every_block_is_run_or_compared_or_listed_with_the_reason_why_not() -> None:
    languages = {"shell", "python", "csv", "json", "yaml", "nginx"}
    others = [b for b in BLOCKS if b.language not in languages and not b.info.startswith("rows ")]
    assert {(b.page, first(b.text)) for b in others} == set(SHOWN_ONLY)
    assert all(b.declares or b.info == "test" for b in BLOCKS if b.language == "python")
    known = ("lakehouse ", "make ", "dg launch ", "python -m lakehouse_assets.serve ")
    assert [line for line in commands() if not line.startswith(known)] == []


@pytest.mark.parametrize("line", sorted({c for p in PAGES for c in p.code if c.startswith("lakehouse ")}))
def test_a_command_within_a_line_has_its_options(line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    if words[0] == "COMMAND":
        return
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    required = [p for p in command.params if p.param_type_name == "argument" and p.required]
    given = [w for w in words if not w.startswith("-")]
    command.make_context("lakehouse", [*words, *("x" for _ in required[len(given) :])])


def test_every_make_target_exists_and_is_told_of() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    assert set(phony.split()) - {"clean"} == MAKE
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in MAKE)


def test_the_server_has_the_options_that_are_named() -> None:
    (line,) = [c for c in commands() if c.startswith("python -m lakehouse_assets.serve")]
    told = subprocess.run(
        [sys.executable, "-m", "lakehouse_assets.serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"--[\w-]+", line)) <= set(re.findall(r"--[\w-]+", told))


def test_dagsters_command_takes_the_range_of_days_that_is_named() -> None:
    """It isn't run, as that takes half a minute; `engine/run/test_backfill.py` runs ranges of days."""
    (line,) = [c for c in commands() if c.startswith("dg ")]
    words, options = shlex.split(line), {option for known in launch_command.params for option in known.opts}
    assert {word for word in words if word.startswith("--")} <= options
    table = open_lakehouse().tables[words[words.index("--assets") + 1].removeprefix("key:").replace("/", ".")]
    assert table.partitions
    assert table.partitions.start <= date.fromisoformat(words[-1].partition("...")[0])


def test_the_settings_are_all_told_and_no_other() -> None:
    told = {c for p in PAGES for c in p.code if re.fullmatch(r"LAKEHOUSE_\w+", c)}
    assert told == {*VARIABLES, "LAKEHOUSE_NETFLIX_URL", "LAKEHOUSE_KAFKA_OPS", "LAKEHOUSE_KAFKA_APP",
                    "LAKEHOUSE_POSTGRES_APP", "LAKEHOUSE_COSMOS_APP", "LAKEHOUSE_NOTIFY_OPS",
                    "LAKEHOUSE_SCHEMA_REGISTRY_OPS"}  # fmt: skip
    rows = re.findall(r"^\| `(LAKEHOUSE_\w+)` \|", (PROJECT / "docs/operations.md").read_text(), re.MULTILINE)
    assert rows == list(VARIABLES)


def test_every_word_of_a_declaration_is_told() -> None:
    text = " ".join(
        code
        for name in ("tables", "models", "features", "streams", "sinks", "alerts")
        for code in page(f"docs/{name}.md").code
    )
    assert [word for word in engine.__all__ if not re.search(rf"\b{word}\b", text)] == [
        "Domain"
    ]  # of which there is a whole file
    assert any("Domain(" in b.text for b in page("docs/tables.md").blocks)


def test_the_page_of_the_domains_has_each_with_the_number_of_its_tables() -> None:
    told = re.findall(r"^\| (\w+) \| (\d+) \|", page("docs/domains.md").path.read_text(), re.MULTILINE)
    lakehouse = open_lakehouse(strict=True)
    tables = Counter(table.domain for table in lakehouse.tables.values())
    assert {domain: int(number) for domain, number in told} == {domain: tables[domain] for domain in lakehouse.domains}


def test_every_decision_is_listed() -> None:
    there = {f"decisions/{path.name}" for path in (PROJECT / "docs/decisions").glob("*.md")}
    assert there == {link for link in page("docs/architecture.md").links if link.startswith("decisions/")}


def test_dagster_takes_the_storage_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for block in [b for b in BLOCKS if b.language == "yaml"]:
        for name in re.findall(r"env: (\w+)", block.text):
            monkeypatch.setenv(name, "set")
        taken = process_config(dagster_instance_config_schema(), yaml.safe_load(block.text))
        assert taken.success, taken.errors


def test_the_configuration_of_nginx_is_whole() -> None:
    for block in [b for b in BLOCKS if b.language == "nginx"]:
        lines = [line.strip() for line in block.text.splitlines() if line.strip()]
        assert all(line.endswith((";", "{", "}")) for line in lines)
        assert block.text.count("{") == block.text.count("}")


def test_python_that_is_no_declaration_runs() -> None:
    for block in [b for b in BLOCKS if b.info == "test"]:
        exec(compile(block.text, block.page, "exec"), {})  # noqa: S102  (our own documentation)


def first(text: str) -> str:
    return text.partition("\n")[0]
