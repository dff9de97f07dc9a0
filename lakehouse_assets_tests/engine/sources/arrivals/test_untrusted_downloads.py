"""Downloads of servers that do wrong: each fails its own address in plain words, hears no secret and ends in time."""

from __future__ import annotations

import base64
import gzip
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import cycle
from pathlib import Path
from socket import socket

import pytest

from lakehouse_assets.engine.sources.arrivals.downloads import fetch, refused
from lakehouse_assets.engine.spec.inputs import Http
from lakehouse_assets_tests.engine.sources.arrivals.test_downloads import get, landed
from lakehouse_assets_tests.servers.web import Answer, Site, talking, versioned

NETRC = "machine 127.0.0.1 login ann password t0psecret\nmachine localhost login ann password t0psecret\n"


def test_a_netrc_takes_no_declared_headers_place_and_is_told_to_nobody(
    site: Site, other: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(NETRC)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    site.pages["/titles.csv"] = Answer(b"one")
    site.pages["/away.csv"] = Answer(status=302, headers={"Location": f"{elsewhere}/far.csv"})
    other.pages["/far.csv"] = Answer(b"far")
    declared = {"Authorization": "Bearer declared"}
    assert get(site, tmp_path / "a", "/titles.csv", "/away.csv", headers=declared, hosts=("localhost",)) == {}
    assert get(site, tmp_path / "b", "/titles.csv", "/away.csv", hosts=("localhost",)) == {}
    assert [h["Authorization"] for _, h in site.asked] == ["Bearer declared", "Bearer declared", None, None]
    assert [h["Authorization"] for _, h in other.asked] == [None, None]


def test_a_proxy_of_the_environment_is_asked(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, site.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site.pages["/titles.csv"] = Answer(b"one")
    assert fetch(Http(("http://far.example/titles.csv",)), str(tmp_path), ".csv") == {}
    assert [path for path, _ in site.asked] == ["http://far.example/titles.csv"]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    failed = fetch(Http(("http://far.example/titles.csv",), retries=0), str(tmp_path), ".csv")
    assert "the proxy of the environment" in failed["http://far.example/titles.csv"]


def test_a_user_in_an_address_is_told_to_its_host_alone_and_in_no_message(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_PASSWORD", "t0psecret")
    site.pages["/here.csv"] = Answer(status=302, headers={"Location": f"{site.url}/there.csv"})
    site.pages["/there.csv"] = Answer(b"near")
    address = site.url.replace("//", "//ann:${THE_PASSWORD}@")
    assert fetch(Http((f"{address}/here.csv",)), str(tmp_path), ".csv") == {}
    basic = "Basic " + base64.b64encode(b"ann:t0psecret").decode()
    assert [h["Authorization"] for _, h in site.asked] == [basic, None]
    declared = Http((f"{address}/here.csv",), headers={"Authorization": "Bearer declared"})
    assert fetch(declared, str(tmp_path), ".csv") == {}
    assert [h["Authorization"] for _, h in site.asked[2:]] == ["Bearer declared"] * 2
    failed = fetch(Http((f"{site.url}/no.csv".replace("//", "//ann:t0psecret@", 1),)), str(tmp_path), ".csv")
    assert "t0psecret" not in str(refused("shop.bronze.titles", failed))
    assert "the server answered 404 Not Found" in str(refused("shop.bronze.titles", failed))


def soon(**later: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(**later), usegmt=True)


@pytest.mark.parametrize(
    ("wait", "told"),
    [("7200", "7,200 s"), ("61", "61 s"), ("9" * 400, "1,000,000,000 s"), ("9" * 5000, "1,000,000,000 s"), ("", "")],
)
def test_a_server_that_asks_to_wait_for_hours_is_asked_by_the_next_run(
    site: Site, tmp_path: Path, wait: str, told: str
) -> None:
    site.pages["/busy.csv"] = Answer(status=503, headers={"Retry-After": wait or soon(hours=3)})
    site.pages["/titles.csv"] = Answer(b"one")
    begun = time.monotonic()
    failed = get(site, tmp_path, "/busy.csv", "/titles.csv")
    assert time.monotonic() - begun < 10
    assert f"the server answered 503 Service Unavailable, and asks to wait for {told}" in failed["/busy.csv"]
    assert "the next run asks it again" in failed["/busy.csv"]
    assert (landed(tmp_path), len(site.asked)) == ([b"one"], 2)


@pytest.mark.parametrize("wait", ["soon", "-5", "1.5", "", "nan", "inf", "5, 6", "Wed, 99 Foo 2026", "٣", "past"])
def test_a_wait_that_cannot_be_understood_or_is_over_is_ours_to_choose(site: Site, tmp_path: Path, wait: str) -> None:
    header = {"Retry-After": soon(hours=-5) if wait == "past" else wait.encode().decode("latin-1")}
    site.pages["/busy.csv"] = [Answer(status=429, headers=header), Answer(b"one")]
    assert get(site, tmp_path, "/busy.csv") == {}
    assert landed(tmp_path) == [b"one"]


def dripping(*pieces: bytes) -> Callable[[socket], None]:
    """A server that says the first piece, and then the others again and again, a tenth of a second apart."""
    stop = threading.Event()

    def talk(connection: socket) -> None:
        connection.sendall(pieces[0])
        for piece in cycle(pieces[1:]):
            if stop.wait(0.1):
                return
            connection.sendall(piece)

    return talk


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"), id="body"),
        pytest.param((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="chunks"),
        pytest.param((b"HTTP/1.1 200 OK\r\nX: ", b"x"), id="header"),
        pytest.param((b"HTTP/1.1 ", b"2"), id="status"),
        pytest.param((b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="to be continued"),
    ],
)
def test_a_server_that_sends_a_little_now_and_then_for_ever_is_given_up(
    site: Site, tmp_path: Path, pieces: tuple[bytes, ...]
) -> None:
    site.pages["/titles.csv"] = Answer(b"one")
    with talking(dripping(*pieces)) as slow:
        urls = (f"{slow}/slow.csv", f"{site.url}/titles.csv")
        begun = time.monotonic()
        failed = fetch(Http(urls, patience=0.7, backoff=0), str(tmp_path), ".csv")
        assert time.monotonic() - begun < 10
    assert failed == {urls[0]: "it takes longer than 0.7 s; give a greater patience=… if it's meant"}
    assert landed(tmp_path) == [b"one"]


OK = b"HTTP/1.1 200 OK\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: "
BAD = {
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status that nobody knows": b"HTTP/1.1 999 s3cret\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a part": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx",
    "other protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a thousand headers": OK + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\nx",
    "an endless header": OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a greater length": OK + b"Content-Length: 10\r\n\r\nx",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx",
    "chunks that break off": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nx",
    "gzip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "gzip that breaks off": OK + b"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n" + gzip.compress(b"x" * 99),
    "to nowhere": FOUND + b"http://[\r\n\r\n",
    "to a port that is none": FOUND + b"http://127.0.0.1:99999999/\r\n\r\n",
    "to letters of no alphabet": FOUND + b"//\xff\xfe\x80/\r\n\r\n",
    "to itself": FOUND + b"/\r\n\r\n",
    "to a long host": FOUND + b"http://" + b"a" * 30_000 + b"/\r\n\r\n",
    "to a script": FOUND + b"javascript:alert(1)\r\n\r\n",
    "a page to nowhere": OK + b'Link: <http://[>; rel="next"\r\nContent-Length: 1\r\n\r\nx',
    "a page of another host": OK + b'Link: <http://127.0.0.2/>; rel="next"\r\nContent-Length: 1\r\n\r\nx',
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_a_server_that_answers_wrongly_fails_its_own_address_in_plain_words(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setenv("THE_TOKEN", "s3cret")
    site.pages["/titles.csv"] = Answer(b"one")
    with talking(lambda connection: connection.sendall(answer)) as bad:
        urls = (f"{bad}/bad.csv?key=${{THE_TOKEN}}", f"{site.url}/titles.csv")
        source = Http(urls, pages=True, backoff=0, retries=1, headers={"X-Key": "${THE_TOKEN}"})
        failed = fetch(source, str(tmp_path), ".csv")
    assert set(failed) == {urls[0]}
    assert " " in failed[urls[0]]
    assert len(failed[urls[0]]) < 250
    assert "s3cret" not in str(failed)
    assert b"one" in landed(tmp_path)


@pytest.mark.parametrize(
    ("lie", "body"),
    [
        (b"Content-Length: 2\r\n", b"abcdef"),
        (b"Content-Length: -2\r\n", b"ab"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", b"ab"),
        (b'Content-Length: 2\r\nLink: ;;;<>;=,,"\r\n', b"ab"),
        (b"Content-Length: 2\r\nLink: <\r\n", b"ab"),
    ],
)
def test_what_a_server_says_of_itself_in_vain_is_passed_over(tmp_path: Path, lie: bytes, body: bytes) -> None:
    with talking(lambda connection: connection.sendall(OK + lie + b"\r\n" + body)) as url:
        failed = fetch(Http((f"{url}/x.csv",), pages=True, backoff=0, retries=0), str(tmp_path), ".csv")
    assert (failed, landed(tmp_path)) in [({}, [b"ab"]), ({f"{url}/x.csv": "the answer broke off"}, [])]


def test_a_content_that_grows_as_it_is_unpacked_is_counted_as_it_is_then(site: Site, tmp_path: Path) -> None:
    site.pages["/bomb.csv"] = Answer(gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    failed = get(site, tmp_path, "/bomb.csv", limit=1_000_000)
    assert "it's longer than 1,000,000 bytes" in failed["/bomb.csv"]
    assert landed(tmp_path) == []


@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "a\n", "a\0", "ключ", "\udcff"])
def test_a_header_that_would_begin_another_is_told_by_its_variable(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    filled = {"THE_TOKEN": value}
    monkeypatch.setattr("os.environ", filled)
    site.pages["/titles.csv"] = Answer(b"one")
    failed = get(site, tmp_path, "/titles.csv", headers={"X-Key": "Bearer ${THE_TOKEN}"})
    reason = "its header 'X-Key' has a character that none may have, as a line break; mend THE_TOKEN"
    assert (failed, site.asked) == ({"/titles.csv": reason}, [])
    filled["THE_TOKEN"] = "s3cret"
    assert get(site, tmp_path, "/titles.csv", headers={"X-Key": "Bearer ${THE_TOKEN}"}) == {}


@pytest.mark.parametrize(
    "value", ["[", "127.0.0.1:99999999", "a b", "", "a\nb", "\udcff", "a" * 300, "..", ".a", "x@["]
)
def test_an_address_that_is_none_once_it_is_filled_in_stops_no_other(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr("os.environ", {"HOST": value})
    site.pages["/titles.csv"] = Answer(b"one")
    urls = ("http://${HOST}/x.csv", "${HOST}/x.csv", f"{site.url}/titles.csv")
    failed = fetch(Http(urls, backoff=0, retries=0), str(tmp_path), ".csv")
    assert set(failed) == set(urls[:2])
    assert all(" " in why for why in failed.values())
    assert landed(tmp_path) == [b"one"]


@pytest.mark.parametrize(
    "path",
    [
        "/a/..",
        "/..",
        "/.",
        "/",
        "/" + "a" * 400 + ".csv",
        "/" + "ü" * 200,
        "/x." + "y" * 300 + ".csv.gz",
        "/%00",
        "/x.c%00v",
    ],
)
def test_whatever_an_address_is_called_its_file_has_a_name(site: Site, tmp_path: Path, path: str) -> None:
    site.pages["/titles.csv"] = Answer(b"one")
    with talking(lambda connection: connection.sendall(OK + b"Content-Length: 1\r\n\r\nx")) as url:
        source = Http((f"{url}{path}", f"{url}{path}?2", f"{site.url}/titles.csv"), pages=True)
        assert [fetch(source, str(tmp_path / "in"), ".csv") for _ in range(2)] == [{}, {}]
    assert sorted(landed(tmp_path / "in")) == [b"one", b"x", b"x"]
    assert {p.name for p in tmp_path.iterdir()} == {"in"}


def test_addresses_with_long_names_that_begin_alike_land_beside_each_other(site: Site, tmp_path: Path) -> None:
    for end in "ab":
        site.pages[f"/{'x' * 300}{end}.csv"] = Answer(end.encode())
    assert get(site, tmp_path, *(f"/{'x' * 300}{end}.csv" for end in "ab")) == {}
    assert sorted(landed(tmp_path)) == [b"a", b"b"]
    assert all(p.suffix == ".csv" for p in tmp_path.glob("[!_]*"))


def test_a_version_that_cannot_be_sent_back_is_not_noted(site: Site, tmp_path: Path) -> None:
    answer = OK + b'ETag: "a"\r\n b\r\nLast-Modified: ' + b"x" * 5000 + b"\r\nContent-Length: 1\r\n\r\nx"
    with talking(lambda connection: connection.sendall(answer)) as url:
        for _ in range(2):
            assert fetch(Http((f"{url}/x.csv",), backoff=0), str(tmp_path), ".csv") == {}
    assert landed(tmp_path) == [b"x"]


@pytest.mark.parametrize(
    "noted", ["{", "[]", "[" * 100_000, '{"%s": 1}', '{"%s": {"ETag": 1}}', '{"%s": {"ETag": "a\\nb"}}']
)
def test_a_note_of_what_landed_that_is_spoilt_costs_a_transfer_and_no_more(
    site: Site, tmp_path: Path, noted: str
) -> None:
    site.pages["/titles.csv"] = versioned(b"one", "1")
    get(site, tmp_path, "/titles.csv")
    (tmp_path / "_downloads.json").write_text(noted.replace("%s", f"{site.url}/titles.csv"))
    for _ in range(2):
        assert get(site, tmp_path, "/titles.csv") == {}
    assert landed(tmp_path) == [b"one"]
    assert [headers["If-None-Match"] for _, headers in site.asked] == [None, None, "1"]


def test_what_a_redirect_has_to_say_is_not_read(tmp_path: Path) -> None:
    sent = list[int]()

    def talk(connection: socket) -> None:
        connection.sendall(FOUND + b"/\r\nContent-Length: 500000000\r\n\r\n")
        for _ in range(500):
            connection.sendall(b"x" * 1_000_000)
            sent.append(1)

    with talking(talk) as url:
        failed = fetch(Http((f"{url}/x.csv",), retries=0), str(tmp_path), ".csv")
    assert failed == {f"{url}/x.csv": "it redirects more than 5 times"}
    assert len(sent) < 100
