"""A domain file that can't be used is told with file and line, and all that doesn't read it goes on."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets_tests.project import DOMAIN, Project

READER = 't = sql_table(o="bronze.{}", sql="SELECT * FROM o")'


@pytest.fixture
def shop(project: Project) -> Project:
    """One sound table, one that will be broken, and two that read this one, one through the other."""
    for name in ("sound", "broken"):
        project.bronze(name)
    project.table("silver.sound", READER.format("sound").replace("t =", "sound =", 1))
    project.table("silver.reader", READER.format("broken").replace("t =", "reader =", 1))
    project.table("gold.last", 'last = sql_table(r="silver.reader", sql="SELECT * FROM r")')
    return project


def write(shop: Project, name: str, text: str | bytes) -> Path:
    path = shop.root / shop.package / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def loaded(shop: Project) -> Lakehouse:
    shop.forget_modules()
    return load(shop.package, strict=False)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\n\ndef broken(:\n", 3, "SyntaxError: invalid syntax"),
        ("from lakehouse_assets.engine import *\n\nColum('a', 'int')\n", 3, "NameError: name 'Colum' is not defined"),
        ("from lakehouse_assets.engine import tabel\n", 1, "ImportError: cannot import name 'tabel'"),
        ("import no_such_module\n", 1, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit('enough')\n", 2, "SystemExit: enough"),
        ("from lakehouse_assets.engine import *\nb = sql_table(o=5, sql='')\n", 2, "TypeError: broken is bound to 5"),
        ("from lakehouse_assets.engine import *\nbroken = sql_table(o='bronze.sound')\n", 2, "FileNotFoundError: "),
        (b"\xff\xfe", 1, "SyntaxError: (unicode error)"),
        (b"a = 1\x00", 1, "SyntaxError: source code string cannot contain null bytes"),
        ("", 1, "declares no table"),
        ('"""A."""\nfrom lakehouse_assets.engine import *\nbroken = sql_table(o="bronze.sound", sql="", columns=[1])',
         3,
         "AttributeError: 'int' object has no attribute"),
    ],
)  # fmt: skip
def test_a_broken_file_takes_with_it_only_what_reads_it(
    shop: Project, text: str | bytes, line: int, reason: str
) -> None:
    path = write(shop, "shop/bronze/broken.py", text)
    found = loaded(shop)
    assert list(found.tables) == ["shop.bronze.sound", "shop.silver.sound"]
    (problem,) = found.problems
    assert problem.startswith(f"{path}:{line}: ")
    assert reason in problem
    assert "not loaded, as it reads shop.bronze.broken" in found.left_out["shop.silver.reader"]
    assert "not loaded, as it reads shop.silver.reader" in found.left_out["shop.gold.last"]
    with pytest.raises(DeclarationError, match="1 problem"):
        shop.lakehouse  # noqa: B018


def test_the_place_of_a_fault_in_a_module_that_a_file_imports_is_that_modules(shop: Project) -> None:
    helper = write(shop, "shop/helping.py", "\n1 / 0\n")
    write(shop, "shop/bronze/broken.py", f"from {shop.package}.shop.helping import *\n")
    (problem,) = loaded(shop).problems
    assert problem.startswith(f"{helper}:2: shop.bronze.broken: can't be loaded (ZeroDivisionError: division by zero)")


def test_a_broken_domain_leaves_the_others_alone(shop: Project) -> None:
    for name in ("bronze", "silver"):
        write(shop, f"other/{name}/__init__.py", "")
    path = write(shop, "other/__init__.py", "1 +\n")
    write(shop, "other/bronze/orders.py", "")
    shop.table("gold.across", 'across = sql_table(o="other.bronze.orders", sql="SELECT * FROM o")')
    found = loaded(shop)
    assert "shop.gold.last" in found.tables
    assert found.problems == (f"{path}:1: other: can't be loaded (SyntaxError: invalid syntax); mend it there",)
    assert set(found.left_out) == {"other.bronze.orders", "shop.gold.across"}


def test_tables_that_read_each_other_are_left_out_and_each_circle_is_told(shop: Project) -> None:
    for one, other in (("a", "b"), ("b", "a"), ("c", "c2"), ("c2", "c")):
        shop.table(f"silver.{one}", f'{one} = sql_table(o="silver.{other}", sql="SELECT * FROM o")')
    found = loaded(shop)
    assert "shop.gold.last" in found.tables
    assert len(found.problems) == 2
    assert set(found.left_out) == {"shop.silver.a", "shop.silver.b", "shop.silver.c", "shop.silver.c2"}


TABLE = 'from lakehouse_assets.engine import *\n\n@table(landed=files("x/*"))\ndef x(landed): return landed\n'


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("shop/sliver/x.py", TABLE, "folder 'sliver' is no layer; move it to DOMAIN/LAYER"),
        ("shop/x.py", TABLE, "folder 'shop' is no layer"),
        ("shop/__init__.py", DOMAIN + TABLE, "folder 'shop' is no layer"),
        ("shop/bronze/deeper/x.py", TABLE, "folder 'deeper' is no layer"),
        ("shop/bronze/_x.py", TABLE, "a file whose name begins with _ is not looked into"),
        ("x.py", TABLE, "is no layer"),
        ("sales/bronze/x.py", TABLE, "its domain has no Domain; add one to sales/__init__.py"),
        (
            "shop/sliver/x.py",
            'import lakehouse_assets.engine as e\nx = e.sql_table(o="bronze.sound", sql="")',
            "'sliver'",
        ),
        ("shop/sliver/x.py", TABLE.replace("*", "table as made, files", 1).replace("@table", "@made"), "'sliver'"),
        ("shop/sliver/x.py", "a table :", "declares a table, but folder 'sliver'"),
        ("shop/sliver/x.py", "", "x: folder 'sliver' is no layer; move it to DOMAIN/LAYER"),
        ("shop/silver/more/x.py", "a = 1", "folder 'more' is no layer; .* or begin the folder's name with _"),
    ],
)
def test_a_table_where_nothing_looks_for_it_is_told(shop: Project, name: str, text: str, expected: str) -> None:
    path = write(shop, name, text)
    found = loaded(shop)
    (problem,) = found.problems
    assert problem.startswith(f"{path}:")
    assert re.search(expected, problem)
    assert "shop.gold.last" in found.tables


def test_a_module_that_only_helps_is_no_problem_where_no_table_could_be_meant(shop: Project) -> None:
    write(shop, "shop/helping.py", "def table_of(name):\n    return name\n\ntable = table_of('x')\n")
    write(shop, "shop/_more/notes.py", '"""Of a table."""\n')
    write(shop, "shop/bronze/_part.py", "import table_of_nothing\n")
    assert loaded(shop).problems == ()


def test_dagster_loads_the_rest_and_shows_what_is_left_out_and_why(shop: Project) -> None:
    write(shop, "shop/bronze/broken.py", "1 +\n")
    shop.forget_modules()
    made = shop.definitions(strict=False)
    dg.Definitions.validate_loadable(made)
    graph = made.resolve_asset_graph()
    assert {key.path[-1] for key in graph.materializable_asset_keys if key.path[1] != "landing"} == {"sound"}
    node = graph.get(dg.AssetKey(["shop", "bronze", "broken"]))
    assert node.is_external
    assert "Not loaded" in str(node.description)
    assert "broken.py:1" in str(node.description)
    assert not made.resolve_job_def("shop").asset_layer.executable_asset_keys & {node.key}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('owner="somebody"', "its owner is 'somebody'; use an e-mail address, or team:NAME"),
        ('tags={"a": "b c"}', "tag 'a': 'b c' has other signs"),
        ("freshness=timedelta(seconds=9)", "its freshness is 0:00:09; a minute is the shortest"),
    ],
)
def test_what_dagster_would_refuse_is_a_problem_of_its_table_alone(shop: Project, options: str, expected: str) -> None:
    shop.table("bronze.broken", f'from datetime import timedelta\n@table(landed=files("x/*"), {options})\n'
                                "def broken(landed): return landed\n")  # fmt: skip
    found = loaded(shop)
    (problem,) = found.problems
    assert expected in problem
    assert "shop.silver.sound" in found.tables


def test_a_schedule_that_is_no_cron_line_is_told(shop: Project) -> None:
    write(shop, "shop/__init__.py", DOMAIN.replace("0 6 * * *", "daily at six"))
    assert "its domain's schedule is 'daily at six'; use a cron line" in loaded(shop).problems[0]
