"""``tcc restore … --from VOLUME…``: several volumes in a row, as a shell's ``*.tar`` gives them."""

import pytest
from tapechain.cli.restore import restore_command


@pytest.mark.parametrize(
    ("line", "source", "volumes"),
    [
        ("home --to x --from a", "home", "a"),
        ("home --to x --from a b c", "home", "a b c"),
        ("home --from a b --to x --from c d", "home", "a b c d"),
        ("--from a b c home --to x", "home", "a b c"),
        ("--from a b --to x home", "home", "a b"),
        ("--from=a b --to x home", "home", "a b"),
        ("--to x --from a home", "home", "a"),
        ("--to x --from a --overwrite home", "home", "a"),
        ("--to x --from a b --state s -D N=1 home", "home", "a b"),
        ("--to x --from a b -- home", "home", "a b"),
        ("--to x --from a -- -home", "-home", "a"),
    ],
)
def test_what_follows_a_volume_is_a_volume(line: str, source: str, volumes: str) -> None:
    context = restore_command.make_context("restore", line.split())
    assert context.params["source"] == source
    assert list(context.params["volumes"]) == volumes.split()
    assert context.params["to"] == "x"
