"""The documents say what is there: links lead somewhere, CI runs the README's commands, every command is named."""

import re
import subprocess
from pathlib import Path

import pytest
from tapechain.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_readme_opens_with_the_two_commands_and_ci_runs_them() -> None:
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.M)
    assert commands[:2] == ["demo", "test"]
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make test" in ci and "make demo" in ci and "README.md" in ci


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=;\s\[]", requirement)[0]
        assert re.search(rf"^\| {name}\b", reasons, flags=re.M), name
    for requirement in project["optional-dependencies"]["dev"]:
        name = re.split(r"[<>=;\s\[]", requirement)[0]
        assert name in reasons, name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(command: str) -> None:
    run = subprocess.run(["tcc", command, "--help"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert f"tcc {command}" in run.stdout.replace("Usage: tcc", "", 1), "no example"
    assert re.search(r"example", run.stdout, re.I)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_readme_or_docs_mention_every_command(command: str) -> None:
    text = "".join(path.read_text() for path in DOCUMENTS)
    assert f"tcc {command}" in text


def test_every_promise_names_tests_that_exist() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text())
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []


def plans_in(document: Path) -> list[str]:
    return re.findall(r"^```tc\n(.*?)^```", document.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("document", ["README.md", "docs/restore.md", "docs/diagrams.md"])
def test_plans_in_documents_are_clean(document: str) -> None:
    for plan in plans_in(ROOT / document):
        run = subprocess.run(["tcc", "check", "--strict", "-"], input=plan, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("example", sorted((ROOT / "examples").rglob("*.tc")), ids=lambda path: path.name)
def test_examples_have_no_errors(example: Path) -> None:
    run = subprocess.run(["tcc", "check", example], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
