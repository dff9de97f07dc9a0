"""A model card: what a version predicts, from what, how well, and on what it was trained, as a Markdown page.

Its parts are those of Mitchell et al., "Model Cards for Model Reporting" (2019), as far as a run knows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.markdown import as_code, as_table, as_text
from lakehouse_assets.engine.models.tracking import document
from lakehouse_assets.engine.registry.store import ModelStore, answering, open_store
from lakehouse_assets.engine.registry.versions import WHY, Version
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.models.split import AtRandom, ByFlag, ByGroup, ByTime, Split

if TYPE_CHECKING:
    from mlflow.entities import Run

# Parameters that a training logs of itself, beside those of its function.
_OF_TRAINING = ("seed", "framework", "learnt_from", "held_out", "without_label")


def card(model: Model, it: Version, owner: str, store: ModelStore) -> str:
    """The card of a version.

    Raises:
        RegistryUnavailable: MLflow refused or didn't answer, or it no longer has the version's run.
    """
    with answering(store, f"Reading the run of version {it.number} of {it.name}"):
        run = open_store(store).get_run(it.run_id)
    return "\n".join(_lines(model, it, owner, run, document(store, it.run_id, "importances.json")))


def _lines(model: Model, it: Version, owner: str, run: Run, importances: Mapping[str, float]) -> Iterable[str]:
    told = run.data.params
    yield f"# {model.key}, version {it.number}\n"
    yield f"{model.doc}\n"
    yield _listed(
        {
            "predicts": f"{'the probability of' if model.is_classifier else 'the number'} {as_code(model.label)}",
            "owner": as_text(owner),
            "trained": datetime.fromtimestamp(it.created, UTC).strftime("%Y-%m-%d, UTC"),
            "framework": as_text(told.get("framework", "")),
            "parameters": ", ".join(as_code(f"{k}={v}") for k, v in sorted(told.items()) if k not in _OF_TRAINING),
        }
    )
    yield "\n## How well it does\n"
    yield f"On {_rows(told, 'held_out')} that it hasn't learnt from: {in_words(model.split)}.\n"
    yield as_table(("metric", "value"), [(name, f"{value:.4g}") for name, value in sorted(_metrics(run).items())])
    yield f"\nThe gate said: {as_text(it.tags.get(WHY, 'nothing'))}.\n"
    yield "## What it learnt from\n"
    yield f"{_rows(told, 'learnt_from')}; {_rows(told, 'without_label')} had no label and didn't count.\n"
    yield as_table(("table", "version"), [(key, str(read["to"])) for key, read in sorted(it.read.items())])
    yield "\n## What it depends on\n"
    yield "What the gate's metric loses when a column is shuffled among the held-out rows.\n"
    ordered = sorted(importances.items(), key=lambda pair: -pair[1])
    yield as_table(("column", "loss"), [(name, f"{value:.4f}") for name, value in ordered])
    yield ""


def _metrics(run: Run) -> dict[str, float]:
    """Those of the training; what was watched later has a name with a slash."""
    return {name: value for name, value in run.data.metrics.items() if "/" not in name}


def _rows(told: Mapping[str, Any], name: str) -> str:
    return f"{int(told.get(name, 0)):,} rows"


def _listed(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}**: {fact}" for name, fact in facts.items() if fact)


def in_words(split: Split) -> str:
    """Which rows a split holds out."""
    match split:
        case ByTime(column=column, since=since, share=share):
            which = f"from {since:%Y-%m-%d} on" if since is not None else f"the latest {share:.0%}"
            return f"{which}, by {as_code(column)}"
        case ByGroup(column=column, share=share):
            return f"all rows of {share:.0%} of {as_code(column)}, so none is on both sides"
        case ByFlag(column=column):
            return f"those that {as_code(column)} marks"
        case AtRandom(share=share):
            return f"{share:.0%} at random, by a hash of the key"
