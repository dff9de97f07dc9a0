"""The Netflix catalogue, downloaded from a server on loopback, against pandas on the same five files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from lakehouse_assets.definitions import definitions
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.servers.web import Answer, Site, serving
from lakehouse_assets_tests.soak import some

FILES = ("titles", "cast", "category", "countries", "directors")


class Catalogue:
    """A lakehouse in a folder of its own, or with tables and files at the URL `store`, which downloads from a site."""

    def __init__(self, home: Path, site: Site, instance: dg.DagsterInstance, store: str = "") -> None:
        self.site, self.instance = site, instance
        told = {"LAKEHOUSE_LAKE": f"{store or home}/lake", "LAKEHOUSE_LANDING": f"{store or home}/landing"}
        self.environment = {"LAKEHOUSE_HOME": str(home), **told}
        self.lake = lake_at(*told.values())

    def run(self, config: dict[str, Any] | None = None, *tables: str) -> dg.ExecuteInProcessResult:
        settings = read_settings({**os.environ, **self.environment})
        job, keys = definitions(settings).resolve_job_def("netflix"), [["netflix", *t.split(".")] for t in tables]
        chosen = [dg.AssetKey(key) for key in keys] or None
        return job.execute_in_process(instance=self.instance, run_config=config, asset_selection=chosen)

    def table(self, name: str) -> pd.DataFrame:
        log = read_log(self.lake.table(f"netflix.{name}"))
        assert log is not None
        return log.table.to_pandas()

    def rejected(self, name: str) -> int:
        log = read_log(self.lake.quarantine(f"netflix.{name}"))
        return 0 if log is None else len(log.table.to_pandas())


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> dict[str, pd.DataFrame]:
    """The files' cells as pandas reads them, titles that are whole alone."""
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    found = {name: pd.read_csv(shared_data / "netflix" / f"netflix_{name}.csv", **options) for name in FILES}
    found["titles"] = found["titles"][found["titles"]["show_id"] != ""]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, shared_data: Path, engine: SparkResource) -> Iterator[Catalogue]:
    """The catalogue after two runs, of which the second had nothing to read."""
    home, patch = tmp_path_factory.mktemp("netflix"), pytest.MonkeyPatch()
    with serving() as site, dg.DagsterInstance.ephemeral(str(home)) as instance, patch.context() as context:
        for name in FILES:
            site.pages[f"/netflix_{name}.csv"] = Answer((shared_data / "netflix" / f"netflix_{name}.csv").read_bytes())
        context.setenv("LAKEHOUSE_NETFLIX_URL", site.url)
        catalogue = Catalogue(home, site, instance)
        with interpreted(engine.session(), 0):
            assert catalogue.run().success
        ways = {m.metadata["strategy"].value for m in materialised(catalogue.run())}
        assert ways == {"nothing"}
        yield catalogue


def materialised(done: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [e.step_materialization_data.materialization for e in done.get_asset_materialization_events()]


def test_every_row_of_the_dumps_is_in_bronze_and_then_in_silver_or_quarantine(built: Catalogue) -> None:
    rows = {"titles": 6236, "cast": 44311, "category": 13670, "countries": 7179, "directors": 4852}
    assert {name: len(built.table(f"bronze.{name}")) for name in FILES} == rows
    assert (len(built.table("silver.titles")), built.rejected("silver.titles")) == (6232, 4)
    # Two titles are broken over two lines; what belongs to them waits for them.
    names = {"cast": ("cast", 10, 1), "genres": ("category", 3, 0), "countries": ("countries", 2, 0)}
    for name, (source, orphans, twice) in {**names, "directors": ("directors", 2, 1)}.items():
        assert built.rejected(f"silver.{name}") == orphans, name
        assert len(built.table(f"silver.{name}")) == rows[source] - orphans - twice, name


def test_titles_have_their_types(built: Catalogue, raw: dict[str, pd.DataFrame]) -> None:
    titles, cells = built.table("silver.titles").set_index("show_id"), raw["titles"]
    cells = cells.assign(show_id=cells["show_id"].astype(int)).set_index("show_id").loc[titles.index]
    assert titles["type"].value_counts().to_dict() == {"Movie": 4263, "TV Show": 1969}
    added = pd.to_datetime(cells["date_added"], format="%m/%d/%Y", errors="coerce")
    assert added.isna().sum() == 11
    assert (pd.to_datetime(titles["added_on"]).fillna(pd.Timestamp(0)) == added.fillna(pd.Timestamp(0))).all()
    for name, cell in (("minutes", "duration_minutes"), ("seasons", "duration_seasons")):
        assert (titles[name].fillna(0) == pd.to_numeric(cells[cell]).fillna(0)).all()
    assert (titles["rating"].isna() == (cells["rating"] == "")).all()
    assert (titles["description"] == cells["description"].str.strip()).all()


@pytest.mark.parametrize(
    ("table", "source", "cell"),
    [("catalogue_by_country", "countries", "country"), ("catalogue_by_genre", "category", "listed_in")],
)
def test_the_catalogue_counts_what_pandas_counts(
    built: Catalogue, raw: dict[str, pd.DataFrame], table: str, source: str, cell: str
) -> None:
    titles = raw["titles"].assign(minutes=pd.to_numeric(raw["titles"]["duration_minutes"]))
    pairs = raw[source].assign(group=raw[source][cell].str.strip())[["show_id", "group"]].drop_duplicates()
    groups = pairs.merge(titles, on="show_id").groupby("group")
    types = groups["type"].value_counts().unstack(fill_value=0)
    found = built.table(f"gold.{table}").set_index(cell if cell == "country" else "genre")
    assert found["movies"].to_dict() == types["Movie"].to_dict()
    assert found["shows"].to_dict() == types["TV Show"].to_dict()
    assert found["median_minutes"].dropna().to_dict() == groups["minutes"].median().dropna().to_dict()


def test_titles_are_counted_by_year_type_and_rating(built: Catalogue, raw: dict[str, pd.DataFrame]) -> None:
    titles = raw["titles"].assign(rating=raw["titles"]["rating"].replace("", "none"))
    counted = titles.groupby(["release_year", "type", "rating"]).size().to_dict()
    found = built.table("gold.catalogue_by_year").itertuples(index=False)
    assert {(str(year), kind, rating): n for year, kind, rating, n in found} == counted


def test_additions_are_counted_by_month(built: Catalogue, raw: dict[str, pd.DataFrame]) -> None:
    titles = raw["titles"][raw["titles"]["date_added"] != ""]
    months = pd.to_datetime(titles["date_added"], format="%m/%d/%Y").dt.strftime("%Y-%m-01")
    counted = titles.groupby([months, titles["type"]]).size().unstack(fill_value=0)
    found = built.table("gold.additions_by_month")
    assert {str(m): (a, b) for m, a, b in found.itertuples(index=False)} == {
        month: (row["Movie"], row["TV Show"]) for month, row in counted.iterrows()
    }


def test_actors_are_paired_as_by_hand(built: Catalogue, raw: dict[str, pd.DataFrame]) -> None:
    cast = raw["cast"].assign(cast=raw["cast"]["cast"].str.strip())
    cast = cast[cast["show_id"].isin(raw["titles"]["show_id"])].drop_duplicates()
    pairs: dict[tuple[str, str], int] = {}
    for _, actors in cast.groupby("show_id")["cast"]:
        for pair in combinations(sorted(actors), 2):
            pairs[pair] = pairs.get(pair, 0) + 1
    often = {pair: n for pair, n in pairs.items() if n >= 2}
    found = {(a, b): n for a, b, n in built.table("gold.collaborations").itertuples(index=False)}
    assert found == often | {(b, a): n for (a, b), n in often.items()}


def test_bridges_lead_from_every_title_to_what_it_has(built: Catalogue) -> None:
    known = set(built.table("gold.dim_title")["show_id"])
    assert len(known) == 6232
    people = built.table("gold.bridge_title_person")
    assert people["role"].value_counts().to_dict() == {"actor": 44300, "director": 4849}
    assert set(people["show_id"]) <= known
    assert (len(built.table("gold.bridge_title_genre")), len(built.table("gold.bridge_title_country"))) == (13667, 7177)


def test_the_same_comes_out_with_the_lake_in_azure_storage(
    built: Catalogue, shared_data: Path, tmp_path: Path, container: str, azure_engine: SparkResource,
    instance: dg.DagsterInstance,
) -> None:  # fmt: skip
    """Landing folders and tables at `abfs://`, in Azurite."""
    catalogue, lakehouse = Catalogue(tmp_path, built.site, instance, container), open_lakehouse(strict=True)
    catalogue.environment |= {
        "LAKEHOUSE_CACHE": azure_engine.cache, "LAKEHOUSE_SPARK_MEMORY": azure_engine.memory,
        "LAKEHOUSE_SPARK_IDLE_MINUTES": str(azure_engine.idle_minutes),
    }  # fmt: skip
    gold = [key for key in lakehouse.tables if key.startswith("netflix.gold.")]
    assert len(gold) == 9
    chosen, needed = {*some(gold, 3), "netflix.gold.dim_title"}, set[str]()  # which the others refer to
    reached = chosen
    while reached:
        needed |= reached
        reached = {upstream for key in reached for upstream in lakehouse.reads(key)} - needed
    with interpreted(azure_engine.session(), 0):
        assert catalogue.run(None, *(key.removeprefix("netflix.") for key in needed)).success
    for name in (key.removeprefix("netflix.") for key in chosen):
        there, here = (sorted(c.table(name).itertuples(index=False, name=None), key=repr) for c in (catalogue, built))
        assert list(map(repr, there)) == list(map(repr, here)), name


def test_a_new_dump_changes_what_differs_and_a_full_refresh_takes_in_who_lacked_a_title(
    built: Catalogue, shared_data: Path
) -> None:
    """It has a title that was broken over two lines whole, renames another, and lacks an actor."""
    folder, built_site = shared_data / "netflix", built.site.pages
    titles = (folder / "netflix_titles.csv").read_bytes().replace(b"Jandino: Whatever it Takes", b"Jandino")
    mended = b"87,,Movie,The Bad Education Movie,12/15/2018,2015,TV-MA,A last school trip.,80188902\r\n"
    built_site["/netflix_titles.csv"] = Answer(titles + mended)
    cast = (folder / "netflix_cast.csv").read_bytes().replace(b"Jandino Asporaat,80117401\r\n", b"")
    built_site["/netflix_cast.csv"] = Answer(cast)
    ways = {".".join(m.asset_key.path[1:]): m.metadata["strategy"].value for m in materialised(built.run())}
    expected = {"bronze.category": "nothing", "silver.cast": "merge", "gold.dim_title": "refresh"}
    assert {name: ways[name] for name in expected} == expected
    known = built.table("gold.dim_title").set_index("show_id")["title"]
    assert (known[80117401], known[80188902], len(known)) == ("Jandino", "The Bad Education Movie", 6233)
    actors = built.table("silver.cast").groupby("show_id")["actor"].agg(set)
    assert 80117401 not in actors
    assert 80188902 not in actors
    assert built.run({"ops": {"netflix__silver__cast": {"config": {"full_refresh": True}}}}).success
    actors = built.table("silver.cast").groupby("show_id")["actor"].agg(set)
    assert (len(actors[80188902]), "Jack Whitehall" in actors[80188902]) == (10, True)


# Made up, in the forms in which newer dumps are found: upper-case headers, lists in a cell, dates in words.
NEWER = """SHOW_ID,TYPE,TITLE,DIRECTOR,CAST,COUNTRY,DATE_ADDED,RELEASE_YEAR,RATING,DURATION,LISTED_IN,DESCRIPTION
s1,Movie,One,Ann Lee,"Bo Ek, Cy Oz","Norway, Chad","September 25, 2021",2020,PG-13,90 min,Documentaries,"On one,
and the other."
s2,TV Show,Two,,"Bo Ek",, August 4 2017,2019,TV-MA,2 Seasons,"Dramas, Crime",Two.
s3,TV Show,Three,,,Chad,"August 4, 2017",2019,,1 Season,Dramas,Three.
s4,Movie,Four,,,,2021-09-24,2018,R,74 minutes,Dramas,Four.
"""
NEWEST = """show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description
s1,Movie,One!,Ann Lee,"Bo Ek, Cy Oz",Norway,25-Sep-21,2020,PG-13,90 min,Documentaries,On one.
s2,TV Show,Two,,Bo Ek,,"August 4, 2017",2019,TV-MA,2 Seasons,"Dramas, Crime",Two.
"""


def test_a_dump_with_other_names_shapes_and_dates_is_a_declaration(
    tmp_path: Path, instance: dg.DagsterInstance, engine: SparkResource
) -> None:
    catalogue = Catalogue(tmp_path, Site(), instance)
    landing, tables = tmp_path / "landing" / "netflix" / "catalogue", ("bronze.catalogue", "silver.catalogue")
    landing.mkdir(parents=True)
    (landing / "2021-09-25.csv").write_text(NEWER)
    with interpreted(engine.session(), 0):
        assert catalogue.run(None, *tables).success
        found = catalogue.table("silver.catalogue").set_index("show_id")
        assert sorted(found.index) == ["s1", "s3"]
        one = found.loc["s1"]
        assert (str(one["added_on"]), one["minutes"], found.loc["s3", "seasons"]) == ("2021-09-25", 90, 1)
        lists = [list(one[name]) for name in ("directors", "actors", "countries", "genres")]
        assert lists == [["Ann Lee"], ["Bo Ek", "Cy Oz"], ["Norway", "Chad"], ["Documentaries"]]
        assert one["description"] == "On one,\nand the other."
        rejected = read_log(catalogue.lake.quarantine("netflix.silver.catalogue"))
        assert rejected is not None
        assert {tuple(names) for names in rejected.table.to_pandas()["broken"]} == {
            ("date_is_in_a_known_form", "added_on_not_null"), ("duration_is_in_a_known_form",),
        }  # fmt: skip
        (landing / "2021-10-01.csv").write_text(NEWEST)
        assert catalogue.run(None, *tables).success
        found = catalogue.table("silver.catalogue").set_index("show_id")
        assert found["title"].to_dict() == {"s1": "One!", "s2": "Two"}
        assert {str(day) for day in found["added_on"]} == {"2021-09-25", "2017-08-04"}
