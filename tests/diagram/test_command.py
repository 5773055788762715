"""The commands that draw, as a user calls them: options, notes, exit codes, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from diagram_plans import figure2
from diagram_texts import BIG, FAULTY, HOSTS, NEW, OLD
from tapechain.runtime.plan import dumps


def tcc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tapechain", *arguments], cwd=cwd, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("big", BIG), ("bad", FAULTY), ("hosts", HOSTS), ("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.tc").write_text(text)
    (tmp_path / "night.plan.json").write_text(dumps(figure2()), encoding="utf-8")
    return tmp_path


def test_a_large_plan_is_collapsed_and_says_so(folder: Path) -> None:
    done = tcc("diagram", "big.tc", "-o", "-", cwd=folder)
    assert done.returncode == 0 and b"100 agents" in done.stdout
    assert b"201 agents are too many for one picture" in done.stderr and b"--collapse never" in done.stderr
    never = tcc("diagram", "big.tc", "-o", "-", "--collapse", "never", cwd=folder)
    assert b"too many" not in never.stderr and b"<B>M77</B>" in never.stdout
    part = tcc("diagram", "big.tc", "-o", "-", "--focus", "dump-7", cwd=folder)
    assert b"too many" not in part.stderr and b"<B>M7</B>" in part.stdout and b"<B>M77</B>" not in part.stdout


def test_groups_are_collapsed_by_name_or_all(folder: Path) -> None:
    one = tcc("diagram", "night.plan.json", "-o", "-", "--collapse", "mirror1", cwd=folder).stdout
    assert b"2 agents" in one and b"<B>A124</B>" in one and b"<B>A138</B>" not in one
    every = tcc("diagram", "night.plan.json", "-o", "-", "--collapse", "all", cwd=folder).stdout
    assert b"<B>A124</B>" not in every


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--focus", "A125"), b"did you mean A12"),
        (("--focus", ""), b"no part of that name"),
        (("--collapse", "mirror9"), b"one of nightly, mirror1, mirror2"),
        (("--collapse", "never", "--collapse", "all"), b"exclude each other"),
        (("--link", "javascript:alert(1)"), b"scheme"),
        (("--link", "https://x/{who}"), b"none of"),
        (("--link", "https://x/{line}"), b"compiled plan"),
        (("--annotate",), b"compiled plan"),
    ],
)
def test_what_the_options_refuse(folder: Path, options: tuple[str, ...], words: bytes) -> None:
    done = tcc("diagram", "night.plan.json", "-o", "x.dot", *options, cwd=folder)
    assert done.returncode == 2 and words in done.stderr and b"Traceback" not in done.stderr
    assert not (folder / "x.dot").exists()


def test_a_plan_with_errors_is_drawn_with_its_marks_and_exit_1(folder: Path) -> None:
    done = tcc("diagram", "--annotate", "bad.tc", "-o", "bad.dot", cwd=folder)
    assert done.returncode == 1 and b"TC302" in done.stderr
    assert "TC302" in (folder / "bad.dot").read_text()
    sound = tcc("diagram", "--annotate", "hosts.tc", "-o", "-", cwd=folder)
    assert sound.returncode == 0 and b"no errors, no warnings" in sound.stdout


def test_links_and_places_come_from_the_plan(folder: Path) -> None:
    done = tcc("diagram", "hosts.tc", "-o", "-", "--link", "https://git.example/{file}#L{line}", cwd=folder)
    assert b'URL="https://git.example/hosts.tc#L10"' in done.stdout and b"(hosts.tc:10)" in done.stdout
    names = tcc("diagram", "night.plan.json", "-o", "-", "--link", "https://wiki.example/{kind}/{name}", cwd=folder)
    assert b'URL="https://wiki.example/agent/A124"' in names.stdout


def test_standard_input_and_pipes_are_drawn(folder: Path) -> None:
    for command in ("cat hosts.tc | {} -o -", "{} <(cat hosts.tc) -o -", "{} <(cat night.plan.json) -o -"):
        program = f"{sys.executable} -m tapechain diagram" + (" -" if "|" in command else "")
        done = subprocess.run(
            ["bash", "-c", command.format(program)], cwd=folder, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0 and b"subgraph" in done.stdout, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "tapechain", "diagram", "-", "--link", "https://x/{file}"],
        cwd=folder,
        input=HOSTS.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and b"standard input has no {file}" in done.stderr


def test_diff_draws_beside_its_report(folder: Path) -> None:
    done = tcc("diff", "old.tc", "new.tc", "-o", "changes.dot", cwd=folder)
    assert done.returncode == 1 and b"logs is not backed up any more" in done.stdout
    text = (folder / "changes.dot").read_text()
    assert "+ mail" in text and "− logs" in text
    plain = tcc("diff", "old.tc", "new.tc", cwd=folder)
    assert plain.stdout == done.stdout
    same = tcc("diff", "old.tc", "old.tc", "-o", "same.dot", cwd=folder)
    assert same.returncode == 0 and "the plans come to the same" in (folder / "same.dot").read_text()


def test_diff_refuses_a_suffix_before_it_reads(folder: Path) -> None:
    done = tcc("diff", "old.tc", "nowhere.tc", "-o", "changes.jpeg", cwd=folder)
    assert done.returncode == 2 and b".svg" in done.stderr


def test_a_large_diff_collapses_what_did_not_change(folder: Path) -> None:
    text = BIG.replace("drive X { discard = true", 'drive X { volumes = "x"')
    (folder / "big2.tc").write_text(text)
    done = tcc("diff", "big.tc", "big2.tc", "-o", "changes.dot", cwd=folder)
    drawn = (folder / "changes.dot").read_text()
    assert done.returncode == 1 and "~ X" in drawn and "100 agents" in drawn and "<B>M77</B>" not in drawn


def test_compile_draws_the_same_cards(folder: Path) -> None:
    done = tcc("compile", "big.tc", "--emit", "dot,mermaid", "-o", "out/", cwd=folder)
    assert done.returncode == 0
    assert "100 agents" in (folder / "out" / "big.dot").read_text()
    assert "100 agents" in (folder / "out" / "big.mmd").read_text()
