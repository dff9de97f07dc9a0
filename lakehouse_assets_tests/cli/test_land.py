"""`lakehouse land`: the feed of a domain, of one's own too, and of one that takes a person's files."""

from __future__ import annotations

import pytest

from lakehouse_assets_tests.cli.command import Command

OWN = """
from lakehouse_assets.landing import put

def land(folder):
    return put(folder / "orders" / "1.csv", lambda path: path.write_text("id\\n1\\n"))
"""


@pytest.fixture
def shipped(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command on the domains of this project, with an empty landing folder."""
    monkeypatch.setenv("LAKEHOUSE_DOMAINS", "lakehouse_assets.domains")
    return command


def test_a_domain_of_ones_own_lands_what_its_feed_writes_and_no_file_twice(command: Command) -> None:
    project = command.project
    (project.root / project.package / "shop" / "feed.py").write_text(OWN)
    project.bronze("orders")
    assert command("land", "shop").out.startswith("1 new files landed")
    assert command("land", "shop").out.startswith("0 new files landed")
    assert project.run("bronze.orders").counts.judged == 1


def test_files_that_may_not_be_passed_on_are_taken_from_the_folder_that_is_named(shipped: Command) -> None:
    mine = shipped.project.root / "mine"
    mine.mkdir()
    (mine / "creditcard.csv").write_text("Time\n0\n")
    (mine / "other.csv").write_text("id\n1\n")
    said = shipped("land", "finance", "--from", str(mine))
    assert (said.code, said.out.startswith("1 new files landed")) == (0, True)
    landed = [path for path in (shipped.project.root / "landing" / "finance").rglob("*") if path.is_file()]
    assert [path.parts[-2:] for path in landed] == [("card_transactions", "creditcard.csv")]


def test_without_a_folder_it_says_which_files_are_needed_and_where_they_are_published(shipped: Command) -> None:
    for arguments in ([], ["--from", str(shipped.project.root)]):
        said = shipped("land", "finance", *arguments)
        told = " ".join((said.out + said.err).split())
        assert said.code == 1
        for part in ("--from" if not arguments else "has none of the files", "creditcard.csv", "paysim1"):
            assert part in told


def test_a_domain_with_samples_takes_no_folder(shipped: Command) -> None:
    said = shipped("land", "iot", "--from", str(shipped.project.root))
    assert (said.code, "leave out --from" in said.out + said.err) == (1, True)
    assert not (shipped.project.root / "landing" / "iot").exists()
