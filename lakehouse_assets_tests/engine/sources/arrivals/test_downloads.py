"""Downloads: what changed lands once, whatever the server does, and nothing leads anywhere it wasn't sent."""

from __future__ import annotations

import hashlib
import threading
from email.message import Message
from pathlib import Path
from typing import Any

import fsspec
import pytest

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.arrivals.downloads import fetch
from lakehouse_assets.engine.spec.inputs import Http
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.web import Answer, Site, serving, versioned


def get(site: Site, folder: Path, *paths: str, **options: Any) -> dict[str, str]:
    """Path → why it wasn't downloaded; tries follow one another at once."""
    failed = fetch(Http(tuple(site.url + p for p in paths), backoff=0, **options), str(folder), ".csv")
    return {url.removeprefix(site.url): why for url, why in failed.items()}


def landed(folder: Path) -> list[bytes]:
    """What lies there, in the order it came."""
    return [path.read_bytes() for path in sorted(folder.glob("[!_]*"))]


def test_what_changed_lands_and_what_has_not_is_not_even_transferred(site: Site, tmp_path: Path) -> None:
    for body, etag in ((b"one", "1"), (b"one", "1"), (b"two", "2"), (b"one", "3")):
        site.pages["/titles.csv"] = versioned(body, etag)
        assert get(site, tmp_path, "/titles.csv") == {}
    assert landed(tmp_path) == [b"one", b"two", b"one"]
    assert [headers["If-None-Match"] for _, headers in site.asked] == [None, "1", "1", "2"]
    assert [path.name[:13] for path in sorted(tmp_path.glob("[!_]*"))] == [f"titles-00000{n}" for n in (1, 2, 3)]


def test_a_server_without_versions_is_asked_in_full_and_the_same_content_lands_once(site: Site, tmp_path: Path) -> None:
    for body in (b"one", b"one", b"two"):
        site.pages["/titles.csv"] = Answer(body)
        assert get(site, tmp_path, "/titles.csv") == {}
    assert landed(tmp_path) == [b"one", b"two"]


def test_addresses_that_end_alike_land_beside_each_other(site: Site, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        site.pages[f"/{folder}/all%20titles.csv"] = Answer(folder.encode())
    for _ in range(2):
        assert get(site, tmp_path, "/a/all%20titles.csv", "/b/all%20titles.csv") == {}
    assert sorted(landed(tmp_path)) == [b"a", b"b"]


def test_a_download_that_was_cut_off_before_it_was_noted_lands_once(site: Site, tmp_path: Path) -> None:
    site.pages["/titles.csv"] = versioned(b"one", "1")
    get(site, tmp_path, "/titles.csv")
    (tmp_path / "_downloads.json").unlink()
    get(site, tmp_path, "/titles.csv")
    assert landed(tmp_path) == [b"one"]


def test_a_busy_or_broken_server_is_asked_again_and_given_up_after_some_tries(site: Site, tmp_path: Path) -> None:
    busy = [Answer(status=429, headers={"Retry-After": "0"}), Answer(status=503), Answer(status=500)]
    site.pages["/busy.csv"] = [*busy, Answer(b"at last")]
    site.pages["/cut.csv"] = [Answer(b"0123456789", cut=4), Answer(b"0123456789")]
    site.pages["/down.csv"] = Answer(status=500)
    site.pages["/torn.csv"] = Answer(b"0123456789", cut=4)
    assert get(site, tmp_path, "/busy.csv", "/cut.csv", "/down.csv", "/torn.csv", "/gone.csv") == {
        "/down.csv": "the server answered 500 Internal Server Error",
        "/torn.csv": "the answer broke off",
        "/gone.csv": "the server answered 404 Not Found",
    }
    assert landed(tmp_path) == [b"at last", b"0123456789"]
    assert len([path for path, _ in site.asked if path == "/down.csv"]) == 5


def test_a_server_that_is_silent_or_gone_is_told(site: Site, tmp_path: Path) -> None:
    told = threading.Event()

    def silent(_: Message) -> Answer:
        told.wait(30)
        return Answer(b"late")

    site.pages["/slow.csv"] = silent
    assert get(site, tmp_path, "/slow.csv", timeout=0.2, retries=1) == {"/slow.csv": "the server is too slow"}
    told.set()
    assert len(site.asked) == 2
    with serving() as gone:
        address = gone.url
    assert set(fetch(Http((f"{address}/x.csv",), backoff=0, retries=1), str(tmp_path), ".csv").values()) == {
        "the connection can't be made, or broke off"
    }


def test_content_that_is_not_what_was_declared_or_too_long_does_not_land(site: Site, tmp_path: Path) -> None:
    site.pages["/titles.csv"] = Answer(b"0123456789")
    wrong, right = "0" * 64, hashlib.sha256(b"0123456789").hexdigest()
    url = f"{site.url}/titles.csv"
    assert "not 000" in get(site, tmp_path, "/titles.csv", sha256={url: wrong})["/titles.csv"]
    assert "it's longer than 9 bytes" in get(site, tmp_path, "/titles.csv", limit=9)["/titles.csv"]
    assert landed(tmp_path) == []
    assert get(site, tmp_path, "/titles.csv", sha256={url: right}) == {}
    assert landed(tmp_path) == [b"0123456789"]


def linked(body: bytes, following: str) -> Answer:
    return Answer(body, headers={"Link": f'<{following}>; rel="next"'})


@pytest.mark.parametrize("following", ["/c.json", "/a.json", "/c.json#end", "/b.json?"])
def test_a_page_that_names_itself_or_an_earlier_one_is_the_last(site: Site, tmp_path: Path, following: str) -> None:
    site.pages |= {"/a.json": linked(b"1", "/b.json"), "/b.json": linked(b"2", "/c.json")}
    site.pages["/c.json"] = linked(b"3", following)
    for _ in range(2):
        assert get(site, tmp_path, "/a.json", pages=True) == {}
    assert landed(tmp_path) == [b"1", b"2", b"3"]
    assert len(site.asked) == 6


def test_a_server_that_gives_one_page_for_all_is_told_and_its_page_lands_once(site: Site, tmp_path: Path) -> None:
    numbers = iter(range(1, 100))
    site.pages["/a.json"] = lambda _: linked(b"[1, 2]", f"/a.json?page={next(numbers)}")
    assert "its page 2 has what page 1 had" in get(site, tmp_path, "/a.json", pages=True)["/a.json"]
    assert landed(tmp_path) == [b"[1, 2]"]
    assert len(site.asked) == 2


def test_pages_without_a_record_may_be_alike(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/a.json": linked(b"[ ]\n", "/b.json"), "/b.json": linked(b"[ ]\n", "/c.json")}
    site.pages["/c.json"] = Answer(b"[1]")
    assert get(site, tmp_path, "/a.json", pages=True) == {}
    assert landed(tmp_path) == [b"[ ]\n", b"[ ]\n", b"[1]"]


def test_a_redirect_to_another_host_is_refused_unless_it_is_named_and_is_told_no_secret(
    site: Site, other: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", "s3cret")
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    site.pages["/here.csv"] = Answer(status=302, headers={"Location": "/there.csv"})
    site.pages["/there.csv"] = Answer(b"near")
    site.pages["/away.csv"] = Answer(status=302, headers={"Location": f"{elsewhere}/far.csv"})
    other.pages["/far.csv"] = Answer(b"far")
    headers = {"Authorization": "Bearer ${THE_TOKEN}"}
    failed = get(site, tmp_path, "/here.csv", "/away.csv", headers=headers)
    assert failed == {"/away.csv": "it leads to another host, localhost; name that in hosts=… if it's meant"}
    assert (landed(tmp_path), other.asked) == ([b"near"], [])
    assert get(site, tmp_path, "/away.csv", headers=headers, hosts=("localhost",)) == {}
    assert {h["Authorization"] for _, h in site.asked} == {"Bearer s3cret"}
    assert [h["Authorization"] for _, h in other.asked] == [None]
    site.pages["/file.csv"] = Answer(status=302, headers={"Location": "file:///etc/passwd"})
    assert "less safe" in get(site, tmp_path, "/file.csv")["/file.csv"]


def test_pages_are_followed_and_each_lands(site: Site, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        following = f'<{site.url}/page{number + 1}>; rel="next"' if number < 3 else '</page1>; rel="first"'
        site.pages[f"/page{number}"] = Answer(b"%d" % number, headers={"Link": following})
    assert get(site, tmp_path, "/page1", pages=True) == {}
    assert landed(tmp_path) == [b"1", b"2", b"3"]
    site.pages["/page2"] = Answer(b"two", headers={"Link": '</page3>; rel="next"'})
    get(site, tmp_path, "/page1", pages=True)
    assert sorted(landed(tmp_path)) == [b"1", b"2", b"3", b"two"]


def test_a_secret_of_the_address_is_in_no_message_and_no_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_TOKEN", "s3cret")
    site.pages["/titles.csv"] = versioned(b"one", "1")
    assert get(site, tmp_path, "/titles.csv?key=${THE_TOKEN}", "/no.csv?key=${THE_TOKEN}") == {
        "/no.csv?key=${THE_TOKEN}": "the server answered 404 Not Found"
    }
    assert "key=s3cret" in site.asked[0][0]
    assert not [p for p in tmp_path.glob("*") if "s3cret" in p.name or b"s3cret" in p.read_bytes()]


def test_downloads_land_in_a_store_as_on_a_disk(site: Site, container: str) -> None:
    store, folder = fsspec.core.url_to_fs(f"{container}/landing/shop/titles")
    for body in (b"one", b"one", b"two"):
        site.pages["/titles.csv"] = versioned(body, body.decode())
        assert fetch(Http((f"{site.url}/titles.csv",)), f"{container}/landing/shop/titles", ".csv") == {}
    names = [name for name in store.find(folder) if not name.endswith("_downloads.json")]
    assert [store.cat_file(name) for name in names] == [b"one", b"two"]
    assert [headers["If-None-Match"] for _, headers in site.asked] == [None, "one", "one"]


BRONZE = """
@table(landed=http("{url}/people.csv", "{url}/more/people.csv", "${{ADDRESS}}/x.csv", retries=0))
def people(landed: DataFrame) -> DataFrame:
    return landed
"""


def test_a_table_reads_what_its_addresses_have_and_tells_of_those_that_failed(
    project: Project, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.table("bronze.people", BRONZE.format(url=site.url))
    site.pages["/people.csv"] = versioned(b"id,name\n1,Ann\n", "1")
    site.pages["/more/people.csv"] = Answer(b"name,id\nBob,2\n")
    assert project.plan("bronze.people").reason == "no new files; ADDRESS isn't set, so nothing is downloaded"
    monkeypatch.setenv("ADDRESS", site.url)
    assert project.plan("bronze.people").strategy == "append"
    with pytest.raises(SourceError, match=r"\$\{ADDRESS\}/x.csv: the server answered 404 Not Found\. What could be"):
        project.run("bronze.people")
    assert project.rows("bronze.people", "id", "name") == [("1", "Ann"), ("2", "Bob")]
    site.pages["/x.csv"] = Answer(b"id,name\n3,Cid\n")
    project.run("bronze.people")
    assert project.rows("bronze.people", "id", "name") == [("1", "Ann"), ("2", "Bob"), ("3", "Cid")]
    assert project.run("bronze.people").plan.strategy == "nothing"
