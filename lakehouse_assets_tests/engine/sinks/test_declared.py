"""What is wrong with a declared sink is told of with all else that is wrong, before anything runs."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.spec.sinks.sink import Postgres
from lakehouse_assets_tests.engine.sinks.board import BOARD, Board
from lakehouse_assets_tests.project import Project


def problems(project: Project) -> str:
    with pytest.raises(DeclarationError) as caught:
        project.lakehouse  # noqa: B018  (loading is what raises)
    return "\n".join(caught.value.problems)


def test_a_sink_is_what_its_file_says(board: Board) -> None:
    board.project.sink("live_board", 'sink("gold.board", to=postgres("b", schema="s", connection="Gate app"))')
    made = board.project.lakehouse.sinks["shop.sinks.live_board"]
    assert (made.key, made.doc, made.to) == ("shop.sinks.live_board", "The live_board.", Postgres("b", "s", "Gate app"))
    assert made.to.variable == "LAKEHOUSE_POSTGRES_GATE_APP"
    assert board.project.lakehouse.reads(made.key) == ["shop.gold.board"]
    assert [*board.project.lakehouse.assets][-1] == made.key


@pytest.mark.parametrize(("declared", "told"), [
    ('sink("gold.bord", to=postgres("b"))',
     "reads 'gold.bord', which no file declares; did you mean 'shop.gold.board'?"),
    ('sink("bronze.departures", to=postgres("b"))',
     "shop.bronze.departures has no key, by which its rows are found in the store; declare Column(…, key=True)"),
    ('sink("gold.board", to=postgres("b"), columns=["origin", "flight", "gat"])',
     "names the column 'gat', which shop.gold.board doesn't declare; did you mean 'gate'?"),
    ('sink("gold.board", to=kafka_topic("b"), columns=["origin", "gate"])',
     "leaves out flight, which is of the key of shop.gold.board; add it to columns=[…]"),
    ('sink("gold.board", to=postgres("b" * 64))', "is no name for PostgreSQL; take one of at most 63 bytes"),
    ('sink("gold.board", to=kafka_topic(""))',
     "its store has no name; say what its table, topic or container is called"),
    ('sink("gold.board", to=kafka("b"))',
     "goes to Table, which is no store; use postgres(…), kafka_topic(…) or cosmos(…)"),
    ('sink("gold.board", to=cosmos("d", "", partition="/origin"))', "its store has no name"),
    ('sink("gold.board", to=cosmos("d", "c", partition="/gate"))',
     "has the partition key '/gate', by which no row may move; take a column of the key of shop.gold.board, or the "
     "item itself: /id, /origin, /flight"),
    ('sink("gold.board", to=cosmos("d", "lakehouse_sinks", partition="/id"))',
     "the container 'lakehouse_sinks' has the progress of all sinks of its database; take another"),
    ('sink("gold.board", to=postgres("b"), owner="nobody")', "its owner is 'nobody'"),
])  # fmt: skip
def test_a_problem_has_its_file_line_and_remedy(board: Board, declared: str, told: str) -> None:
    board.project.sink("live_board", declared)
    found = problems(board.project)
    assert told in found
    assert "shop/sinks/live_board.py:7: shop.sinks.live_board: " in found


def test_a_column_that_items_have_for_something_else_is_told_of(board: Board) -> None:
    board.declare(BOARD.replace('"gate"', '"ttl"'))
    board.project.sink("live_board", 'sink("gold.board", to=cosmos("d", "c", partition="/id"))')
    told = "'ttl' is a property that items of Cosmos DB have for something else; leave it out by columns=[…]"
    assert told in problems(board.project)


def test_a_file_and_its_sink_have_one_name(board: Board) -> None:
    board.project.sink("live_board", "None\nother = sink('gold.board', to=postgres('b'))")
    assert "the file says 'live_board' and the sink 'other'; give both one name" in problems(board.project)
    board.project.sink("live_board", "None")
    assert "declares no sink; assign sink(…) to a variable named 'live_board', or move" in problems(board.project)


def test_two_sinks_do_not_write_to_one_place(board: Board) -> None:
    for name in ("one", "two"):
        board.project.sink(name, 'sink("gold.board", to=postgres("b"))')
    found = problems(board.project)
    assert "shop.sinks.one: shop.sinks.two writes to 'b' as well; give each a place of its own" in found


def test_a_sink_in_another_folder_is_told_of(board: Board) -> None:
    board.project.table("gold.live_board", 'live_board = sink("gold.board", to=postgres("b"))')
    assert "is a sink in the folder 'gold'; move the file to shop/sinks" in problems(board.project)
    board.project.table("gold.live_board", "")
    (board.project.root / board.project.package / "shop" / "gold" / "live_board.py").unlink()
    board.project._write(
        "shop/outbox/live.py", 'from lakehouse_assets.engine import *\nlive = sink("gold.board", to=1)'
    )
    assert "folder 'outbox' is no layer" in problems(board.project)


def test_nothing_is_made_from_a_sink(board: Board) -> None:
    board.project.sink("live_board", 'sink("gold.board", to=postgres("b"))')
    board.project.table("gold.more", 'more = sql_table(rows="sinks.live_board", sql="SELECT * FROM rows")')
    assert "reads the sink 'sinks.live_board'; nothing is made from a sink, so read its table" in problems(
        board.project
    )


def test_a_sink_of_a_table_with_a_problem_is_left_out_with_it(board: Board) -> None:
    from lakehouse_assets.engine.graph.validate import load

    board.project.sink("live_board", 'sink("gold.board", to=postgres("b"))')
    board.project.table("gold.board", "board = 1 / 0")
    found = load(board.project.package, strict=False)
    assert not found.sinks
    assert "not loaded, as it reads shop.gold.board" in found.left_out["shop.sinks.live_board"]
