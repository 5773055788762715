"""``--help``: every command has examples that can be typed as they stand, at any width, with options that exist."""

import re
from collections.abc import Iterator

import click
import pytest
from tapechain.cli.main import COMMANDS, _main, tcc

Capture = pytest.CaptureFixture[str]


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, and of every command of a command."""
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = tcc.get_command(click.Context(tcc), name)
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield name, inner


def found(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the line *words* (without ``tcc``) calls, and its arguments."""
    command: click.Command = tcc
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, words
        command, words = inner, words[1:]
    return command, words


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
@pytest.mark.parametrize("columns", ["40", "200"])
def test_examples_stand_on_a_line_each_and_use_what_there_is(
    words: tuple[str, ...], columns: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert _main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    part = re.split(r"^  (?:Examples|Install, for example):\n", text, flags=re.M)
    assert len(part) == 2, text
    lines = [line.strip() for line in part[1].partition("\n\n")[0].splitlines()]
    assert lines
    for line in lines:
        at = line.find("tcc ")
        assert at >= 0, f"{line!r} is a part of a line"
        example = re.split(r"\s{2,}| [|>] |#", line[at:])[0]
        command, arguments = found(example.split()[1:])
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        used = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert used <= known, example


@pytest.mark.parametrize("group", ["draft", "catalog", "volume"])
def test_the_list_of_a_group_has_whole_sentences(group: str, capsys: Capture) -> None:
    assert _main([group, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2].partition("Examples")[0]
