"""`tcc explain`: the rule book on the command line."""

import json

import pytest
from tapechain.cli.explain import nearest
from tapechain.cli.main import _main
from tapechain.cli.rulebook import pages

CODES = [page.code for page in pages()]


def test_a_code_prints_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", "TC302"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# TC302: a drive with two writers\n")
    assert "## Why it matters" in out
    assert "error[TC302]" in out
    assert "## Mend" in out


@pytest.mark.parametrize("spelling", ["tc302", "302", " TC302 "])
def test_other_spellings_of_a_code(spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", spelling]) == 0
    assert capsys.readouterr().out.startswith("# TC302:")


def test_without_a_code_all_are_listed_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5] for line in lines] == CODES
    assert "TC301  a cycle among buffers" in lines


@pytest.mark.parametrize(
    ("code", "near"),
    [("TC320", "TC302"), ("TC32", "TC302"), ("TX302", "TC302"), ("TC399", "TC313"), ("E0302", "TC302"), ("", "TC101")],
)
def test_an_unknown_code_gets_the_nearest_ones(code: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert near in nearest(code, CODES)
    assert _main(["explain", code]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert near in captured.err


@pytest.mark.parametrize("code", ["\x1b[31m", "²", "9" * 5_000, "TC\n101", "日本"])
def test_hostile_codes_are_only_unknown(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", code]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "there is no code" in err


def test_one_unknown_code_among_known_ones_prints_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", "TC302", "TC999"]) == 2
    assert capsys.readouterr().out == ""


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", "--format", "json", "TC901", "TC101"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["code"], first["severity"]) == ("TC901", "warning")
    assert second["text"].startswith("# TC101: ")
    assert _main(["explain", "--format", "json"]) == 0
    assert [one["code"] for one in json.loads(capsys.readouterr().out)] == CODES


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["explain", "--help"]) == 0
    assert "tcc explain TC302" in capsys.readouterr().out
