"""docs/cli.md: every command is there, in its order; its examples use options that exist; its outputs are true."""

import re
from pathlib import Path

import click
import pytest
from tapechain.cli.main import COMMANDS, _main, tcc

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
EXAMPLES = [
    line.strip()
    for block in re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.M | re.S)
    for line in re.findall(r"\btcc [^#\n|)]*", block)
]


def test_every_command_has_its_row_in_order() -> None:
    rows = re.findall(r"^\| `tcc (\w+)", DOCUMENT, re.M)  # a command of commands has several
    assert list(dict.fromkeys(rows)) == list(COMMANDS)


def test_there_are_examples() -> None:
    assert {"fmt", "diff", "schema", "completion"} <= {line.split()[1] for line in EXAMPLES}


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_use_options_that_exist(line: str) -> None:
    _, name, *words = line.split()
    command = tcc.get_command(click.Context(tcc), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_example_of_diff_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    section = DOCUMENT.partition("## tcc diff\n")[2].partition("\n## ")[0]
    old = re.findall(r"^```tc\n(.*?)^```", section, re.M | re.S)[0]
    coupling, promise = re.findall(r"with `(agent [^`]*)` and `(require [^`]*)`", section)[0]
    new = re.sub(r"agent second .*", coupling, old).replace("require copies >= 2", promise)
    (tmp_path / "old.tc").write_text(old)
    (tmp_path / "new.tc").write_text(new)
    assert _main(["diff", "old.tc", "new.tc"]) == 1
    assert capsys.readouterr().out == re.findall(r"^```text\n(.*?)^```", section, re.M | re.S)[0]
