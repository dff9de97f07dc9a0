"""Whatever is in cells, names, paths and reasons, every command prints as text, into a pipe and to a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest
from deltalake import DeltaTable

from lakehouse_assets.cli.terminal import console, grid, line
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.test_printable import unseen

# They clear the screen, fill the clipboard, make a link, hide text, go to the line's beginning, turn the order of
# letters, and are Rich's own markup. The last one begins a line that nobody wrote.
ESCAPES = "\x1b[2J\x1b]52;c;ZXZpbA==\a\x1b]8;;http//evil.example\x1b\\\x9b8m\r\x7f\u202e\u2066\u200b"
HOSTILE = f"{ESCAPES}[bold][/bold][/]:smile:\\\nFORGED all is well"
FILE = HOSTILE.replace("/", "_").replace(":", "")
SHOWN = printable(HOSTILE)
# What Rich sends a terminal: colours, the cursor, and the line of the spinner.
OF_RICH = re.compile(r"\x1b\[(?:0|1|2|3[1-3]|1;31)m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r")
EACH = """
import json, sys
from lakehouse_assets import cli
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["lakehouse", *arguments]
    for stream in (sys.stdout, sys.stderr):
        print("COMMAND", arguments[0], file=stream, flush=True)
    try:
        cli.main()
    except SystemExit:
        pass
"""
SILVER = """
@table(raw="bronze.orders", expect=[{rule}("id < 9 OR text IS NULL")], write=merge(on="text"),
       columns=[Column("id", "int"), Column("text", "string")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "concat(id, cell) text")
"""


@pytest.fixture
def hostile(command: Command) -> Command:
    """Tables of a file with such a name, names of columns and cells; and one whose declaration raises such an error."""
    project = command.project
    project.bronze("orders", "multiline=True")
    project.table("silver.kept", SILVER.format(name="kept", rule="drop"))
    project.table("silver.stopped", SILVER.format(name="stopped", rule="fail"))
    project.table("bronze.broken", f"raise ValueError({HOSTILE!r})")
    project.land(f"orders/{FILE}.csv", f'id,cell,[/bold]\u202e\n1,"{HOSTILE}",x\n9,"{HOSTILE}",y\n')
    project.land(f"orders/{FILE}.zip.csv", b"PK\x03\x04")
    return command


def in_pipes(command: Command, *arguments: Sequence[str]) -> dict[str, str]:
    """What each command prints, by its name, where its output is no terminal."""
    done = subprocess.run(*process(command, arguments), capture_output=True, check=True)
    return by_command(done.stdout.decode() + done.stderr.decode())


def in_a_terminal(command: Command, *arguments: Sequence[str]) -> dict[str, str]:
    """What each command sends to a terminal."""
    ours, theirs = pty.openpty()
    sent = bytearray()
    reader = threading.Thread(target=read_all, args=(ours, sent))
    reader.start()
    done = subprocess.run(*process(command, arguments), stdin=theirs, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    reader.join(timeout=60)
    os.close(ours)
    assert done.returncode == 0, sent.decode()
    return by_command(sent.decode().replace("\r\n", "\n"))


def process(command: Command, arguments: Sequence[Sequence[str]]) -> tuple[list[str]]:
    os.environ.update({"COLUMNS": "5000", "TERM": "xterm-256color"})
    os.environ["PYTHONPATH"] = os.pathsep.join([str(command.project.root), str(PROJECT)])
    return ([sys.executable, "-c", EACH, json.dumps(arguments)],)


def read_all(terminal: int, sent: bytearray) -> None:
    try:
        while read := os.read(terminal, 65536):
            sent.extend(read)
    except OSError:  # the other end is closed
        return


def by_command(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("COMMAND ")[1:]:
        name, _, said = part.partition("\n")
        found[name] = found.get(name, "") + said
    return found


def is_text(said: str) -> None:
    assert unseen(said) <= {"\n"}, ascii(said)
    assert not [line for line in said.splitlines() if line.startswith("FORGED")]


def test_every_command_prints_data_as_text(hostile: Command) -> None:
    path = hostile.project.lake.landing_folder("shop") + f"/orders/{FILE}.csv"
    said = in_pipes(hostile, ["run"])
    assert f"ValueError: {printable(HOSTILE.splitlines()[0])}" in said["run"]  # of what doesn't load
    assert f"'{'9' + SHOWN}'" in said["run"]  # of the row that stopped a write
    DeltaTable(hostile.project.lake.table("shop.silver.kept").path).delete("id = 1")
    looked = [["tables"], ["plan"], ["show", "orders"], ["history", "orders"], ["files", "orders"],
              ["quarantine", "kept"]]  # fmt: skip
    computed = [["sql", "SELECT cell AS `[/bold]` FROM bronze.orders"], ["doctor"], ["verify", "kept"],
                ["retry", "orders", path], ["run", "silver.stopped"],
                ["forget", "orders", path, "--reason", HOSTILE]]  # fmt: skip
    seen = in_a_terminal(hostile, *looked, ["run", "silver.stopped"])
    said = in_pipes(hostile, *looked, *computed)
    assert f"'{'9' + SHOWN}'" in seen["run"]
    for name, shown in {
        "show": SHOWN, "files": printable(path), "quarantine": r"\u202e\u2066\u200b[bold][/bold][/]:smile:",
        "sql": SHOWN, "doctor": "ValueError: ", "verify": repr("1" + HOSTILE)[1:-1],
        "retry": r"\u202e\u2066\u200b[bold]",
    }.items():  # fmt: skip
        assert shown in said[name], said[name]
        assert name not in seen or shown in OF_RICH.sub("", seen[name]), seen[name]
    assert "Traceback" not in "".join([*said.values(), *seen.values()])
    for text in [*said.values(), *(OF_RICH.sub("", text) for text in seen.values())]:
        is_text(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", HOSTILE], ["plan", HOSTILE], ["run", HOSTILE], ["files", HOSTILE], ["land", HOSTILE], [HOSTILE],
        ["tables", HOSTILE], ["engine", HOSTILE], ["retry", "orders", HOSTILE], ["sql", f"SELECT 1 FROM `{HOSTILE}`"],
        ["show", "orders", f"--{HOSTILE}"],
    ],
)  # fmt: skip
def test_what_a_person_typed_is_repeated_as_text(command: Command, arguments: list[str]) -> None:
    assert r"\x1b[2J\x1b]52" in refused(command, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "orders", "--rows", HOSTILE],
        ["show", "orders", "--version", HOSTILE],
        ["sql", f"SELECT '{HOSTILE}' FROM"],
    ],
)
def test_what_a_person_typed_is_refused_in_text(command: Command, arguments: list[str]) -> None:
    assert "Error" in refused(command, *arguments)


def refused(command: Command, *arguments: str) -> str:
    command.project.bronze("orders")
    said = command(*arguments)
    assert said.code in (1, 2)
    is_text(said.out)
    is_text(said.err)
    return said.out + said.err


def test_a_command_line_that_cant_be_understood_is_told_with_its_usage(command: Command) -> None:
    said = command("show")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[0].startswith("Usage: ")
    assert "Missing argument 'TABLE'" in said.err.splitlines()[-1]
    helped = command()
    assert "Commands" in helped.out + helped.err
    assert "Error" not in helped.err


def test_errors_that_nobody_expected_and_warnings_of_libraries_are_text(command: Command) -> None:
    program = f"""
import logging, sys
from lakehouse_assets import cli
@cli.app.command()
def fall() -> None:
    logging.getLogger("some.library").warning({HOSTILE!r})
    raise ValueError({HOSTILE!r})
sys.argv = ["lakehouse", "fall"]
cli.main()
"""
    process(command, [])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    said = done.stderr.decode()
    assert done.returncode == 1
    is_text(said)
    assert said.count(printable(HOSTILE.split("\n")[0])) == 2
    assert "Traceback" in said


def test_whatever_is_handed_to_the_console_is_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_width", 5000)
    shown = grid(HOSTILE)
    shown.add_row(HOSTILE)
    shown.add_row(line((HOSTILE, "red")))
    console.print(shown)
    console.print(HOSTILE, markup=True, emoji=True, soft_wrap=True)
    console.print(line(HOSTILE, (HOSTILE, "dim")), soft_wrap=True)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [SHOWN, SHOWN, SHOWN, SHOWN, SHOWN + SHOWN]
