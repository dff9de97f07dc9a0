"""Cells, names of columns and files, and reasons, as a browser shows them: as text, and nothing is fetched for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.test_markdown import KNOWN, spaced
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.serve.test_dev_server import TIED_TO_US, announced_url
from lakehouse_assets_tests.servers.browser import PAGE_SECONDS, chromium, screenshot, wait_for_text

UNREADABLE = "![x](y)|<img src=z>.csv"
# The Markdown of an entry of the metadata, by its name: in a dialog, which is opened, or beside the name if it's short.
SHOWN = """
const [name] = [...document.querySelectorAll("td")].filter(c => c.innerText.trim() === arguments[0]);
const entry = name?.parentElement;
const shown = document.querySelector("[role=dialog] .dagster-markdown, .bp5-dialog .dagster-markdown")
    ?? entry?.querySelector(".dagster-markdown");
if (!shown) entry?.querySelector("td:nth-child(2) a")?.click();
return shown;
"""
# What becomes of a picture that a page asks for, were there a way to have it ask.
LOADING = """
const [address, done] = arguments, picture = new Image();
picture.onload = () => done("loaded");
picture.onerror = () => done("blocked");
picture.src = address;
"""
MODULE = """
from lakehouse_assets.definitions import location
from lakehouse_assets.settings import read_settings
defs = location(read_settings())
"""
SILVER = """
@table(raw="bronze.orders", expect=[{rules}], write=append(),
       columns=[Column("id", "int"), Column("image", "string"{key})])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("1 id", "image")
"""


@dataclass
class Listener:
    """Another host, as far as a browser can tell: another origin, which counts what it's asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        found = Listener(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever).start()
        try:
            yield found
        finally:
            server.shutdown()


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(project, monkeypatch, capsys)


@pytest.fixture
def served(command: Command, listener: Listener) -> Iterator[str]:
    """The UI of tables of hostile files, all of which were run: its address."""
    build(command.project, hostile(listener))
    command("run")
    folder = command.project.root
    (folder / "lake_of_the_test.py").write_text(MODULE)
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(PROJECT)])
    start = [sys.executable, "-c", TIED_TO_US, sys.executable, "-m", "lakehouse_assets.serve", "--port", "0"]
    log = folder / "server.log"
    with log.open("wb") as output, subprocess.Popen(
        [*start, "--module", "lake_of_the_test"], cwd=folder, env=environment, stdout=output, stderr=output
    ) as supervisor:  # fmt: skip
        try:
            yield announced_url(supervisor, log)
        finally:
            supervisor.terminate()


def hostile(listener: Listener) -> dict[str, str]:
    """What would fetch something, or could be clicked, by the name of its column."""
    return {
        "image": f"![x]({listener.url}/a.png)",
        "html": f"<img src={listener.url}/b.png>",
        "script": f"<script>fetch('{listener.url}/c')</script>",
        "href": "[x](javascript:alert(document.domain))",
        "link": f"{listener.url}/d",
        "www": "www.evil.example/e",
        "mail": "ann@evil.example",
        "www.evil.example": "of the column",
        "<b>[/b]": "of the column",
    }


def build(project: Project, cells: dict[str, str]) -> None:
    project.bronze("orders")
    project.bronze("corpus", "multiline=True")
    project.table("silver.stopped", SILVER.format(name="stopped", rules='fail("length(image) < 5")', key=""))
    project.table("silver.twice", SILVER.format(name="twice", rules="", key=", key=True"))
    project.table("bronze.broken", f"raise ValueError({cells['image']!r})")
    row = ",".join(cells.values())
    project.land("orders/1.csv", f"{','.join(cells)}\n{row}\n{row}\n")
    project.land(f"orders/{UNREADABLE}", f'a,b\n1,"{cells["image"]}\n')
    quoted = (text.replace('"', '""') for text in KNOWN)
    project.land("corpus/1.csv", ",".join(f"c{i}" for i in range(len(KNOWN))) + '\n"' + '","'.join(quoted) + '"\n')


def test_the_browser_shows_data_as_text_and_fetches_nothing_for_them(
    served: str, listener: Listener, command: Command, tmp_path: Path
) -> None:
    cells, shop = hostile(listener), f"{served}/assets/shop"
    (run,) = [run.run_id for run in command.runs()]
    with chromium() as browser:
        look(browser, f"{shop}/bronze/broken", f"ValueError: {cells['image']}")
        look(browser, f"{shop}/silver/stopped?view=checks&checkDetail=length_image_lt_5", f"image='{cells['image']}'")
        look(browser, f"{served}/runs/{run}", "STEP_FAILURE")
        look(browser, f"{shop}/bronze/orders", "<b>[/b]")
        look(browser, f"{shop}/bronze/orders?view=checks&checkDetail=files_readable", f"{UNREADABLE}: the quote")
        (row,) = cells_of(browser, "files", "tbody")
        assert row[0] == f"orders/{UNREADABLE}"
        assert cells["image"] in row[1]
        look(browser, f"{shop}/silver/twice?view=checks&checkDetail=unique_key", "No two rows have the same image.")
        assert cells["image"] in markdown(browser, "sample").text
        look(browser, f"{shop}/bronze/orders?view=events", "preview")
        assert [names[: len(cells)] for names in cells_of(browser, "preview", "thead")] == [list(cells)]
        assert [row[: len(cells)] for row in cells_of(browser, "preview", "tbody")] == [list(cells.values())] * 2
        screenshot(browser, tmp_path / "preview.png")
        look(browser, f"{shop}/bronze/corpus?view=events", "preview")
        (row,) = cells_of(browser, "preview", "tbody")
        assert row[: len(KNOWN)] == [spaced(text) for text in KNOWN]
        assert browser.execute_async_script(LOADING, f"{listener.url}/f.png") == "blocked", (
            "a page of the UI asked for it"
        )
        assert browser.execute_async_script(LOADING, f"{served}/favicon.png") == "loaded"
    assert listener.asked == []


def look(browser: webdriver.Chrome, url: str, text: str) -> None:
    """Open a page, and wait until it shows a text."""
    browser.get(url)
    wait_for_text(browser, text)
    require_text(browser)


def markdown(browser: webdriver.Chrome, label: str) -> WebElement:
    """What the UI makes of a metadata entry that is Markdown."""
    shown: WebElement = WebDriverWait(browser, PAGE_SECONDS).until(lambda page: page.execute_script(SHOWN, label))
    require_text(browser)
    return shown


def cells_of(browser: webdriver.Chrome, label: str, part: str) -> list[list[str]]:
    """The rows in a part of the table that is a metadata entry."""
    rows = f"[...arguments[0].querySelectorAll(':scope {part} tr')]"
    cells = "map(row => [...row.cells].map(cell => cell.textContent))"
    found: list[list[str]] = browser.execute_script(f"return {rows}.{cells}", markdown(browser, label))
    return found


def require_text(browser: webdriver.Chrome) -> None:
    """No Markdown on the page has an image, a link or an element that its text asked for."""
    kinds = browser.execute_script("return [...document.querySelectorAll('.dagster-markdown *')].map(e => e.tagName)")
    assert set(kinds) <= {"P", "CODE", "STRONG", "UL", "LI", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD"}
