"""A small lakehouse whose model learns which visits end in a purchase."""

from __future__ import annotations

import random

from lakehouse_assets_tests.project import Project

MODEL = """
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    @model(
        rows="silver.visits", label="bought", features=["pages", "minutes", "channel"],
        split=AtRandom(0.25), gate=Gate("roc_auc", {bound}), metrics=["brier"]{more}
    )
    def purchase(training: Training) -> object:
        texts = OneHotEncoder(handle_unknown="ignore")
        columns = make_column_transformer((texts, ["channel"]), (StandardScaler(), {used}))
        return make_pipeline(columns, LogisticRegression(random_state=training.seed)).fit(training.x, training.y)
"""
SCORES = """
    likely = score(
        model="models.purchase", rows="silver.visits",
        keep=[Column("visit", "bigint", key=True), Column("channel", "string")],
    )
"""


def visits(count: int, first: int = 0, seed: int = 1) -> str:
    """Visits as CSV: a purchase is likelier with more pages, and by mail."""
    chance, lines = random.Random(seed), ["visit,pages,minutes,channel,bought"]
    for visit in range(first, first + count):
        pages, minutes, channel = (
            chance.randint(1, 20),
            round(chance.expovariate(0.2), 3),
            chance.choice(["mail", "ad", "web"]),
        )
        odds = 0.25 * (pages - 10) + (1.5 if channel == "mail" else 0)
        bought = chance.random() < 1 / (1 + 2.718281828**-odds)
        lines.append(f"{visit},{pages},{minutes},{channel},{str(bought).lower()}")
    return "\n".join(lines) + "\n"


def declare(project: Project, bound: str = "0.7", used: str = '["pages", "minutes"]', more: str = "") -> None:
    """The bronze, silver, model and scores of visits."""
    project.bronze("visits")
    project.table(
        "silver.visits",
        """
        visits = sql_table(
            raw="bronze.visits",
            columns=[Column("visit", "bigint", key=True), Column("pages", "int", nullable=False),
                     Column("minutes", "double"), Column("channel", "string"), Column("bought", "boolean")],
            write=merge(on="visit", newest="_ingested_at"),
            sql="SELECT cast(visit AS bigint) visit, cast(pages AS int) pages, cast(minutes AS double) minutes, "
                "channel, cast(bought AS boolean) bought, _ingested_at FROM raw",
        )
        """,
    )
    declare_model(project, bound, used, more)
    project.table("gold.likely", SCORES)


def declare_model(project: Project, bound: str = "0.7", used: str = '["pages", "minutes"]', more: str = "") -> None:
    """The model, or the model anew."""
    project.model("purchase", MODEL.format(bound=bound, used=used, more=more and ", " + more))


def built(project: Project, count: int = 400) -> Project:
    """The tables that the model reads, with some visits."""
    declare(project)
    project.land("visits/1.csv", visits(count))
    project.run("bronze.visits")
    project.run("silver.visits")
    return project
