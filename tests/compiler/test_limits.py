"""What a plan may cost: loops, strings and includes have limits, and say so instead of eating the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tapechain.cli.world import KnownWorld, RealWorld
from tapechain.compiler import values
from tapechain.compiler.expand import expand
from tapechain.compiler.load import load
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld


def compiled(text: str) -> Compilation:
    return compile_program("plan.tc", MemoryWorld(files={"plan.tc": text}))


def messages(text: str) -> list[str]:
    return [d.message for d in compiled(text).diagnostics if d.severity == "error"]


@pytest.mark.parametrize(
    "text",
    [
        'for i in 1..10000000 { for j in 1..10000000 { source "s${i}-${j}" { files = "/x" } } }',
        "for i in 1..10000000 { for j in 1..10000000 {} }",
        'for i in 1..1000 { for j in i..1000 { source "s${i}-${j}" { files = "/x" } } }',
        "backup group g { for i in 1..99999 { agent a -> b { for j in 1..99999 { B <- D } } } }",
    ],
)
def test_loops_that_make_too_much_are_said_once_and_not_written_out(text: str) -> None:
    (program, world) = (text + "\nsource other { files = nothing }", MemoryWorld())
    world = MemoryWorld(files={"plan.tc": program})
    expansion = expand(load("plan.tc", world, {}), limit=10_000)
    assert expansion.lost
    assert len(expansion.statements) <= 2
    found = [d.message for d in expansion.diagnostics]
    assert sum("it may have 10000" in m for m in found) == 1
    assert sum("nothing" in m for m in found) == 1  # what is wrong outside of the loops is said all the same


def test_strings_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "PROGRAM_CHARACTERS_MAX", 50_000)
    text = f'let big = "{"x" * 1000}"\nfor i in 1..200 {{ source "s${{i}}" {{ files = "${{big}}${{i}}" }} }}'
    (message,) = [m for m in messages(text) if "characters" in m]
    assert message.startswith("with their variables filled in, the program's strings are longer than 50000 characters")


def test_strings_that_double_end_at_the_limit_of_one() -> None:
    lets = ['let a0 = "xxxxxxxxxx"', *(f'let a{i} = "${{a{i - 1}}}${{a{i - 1}}}"' for i in range(1, 60))]
    found = messages("\n".join(lets) + '\nsource s { files = "${a59}" }')
    assert found and all("characters" in m for m in found)


# ---------------------------------------------------------------- includes stay in the project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder under version control with a plan in it, and a file beside it."""
    monkeypatch.delenv("TCC_INCLUDE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside.tc").write_text("drive R { discard = true }\n")
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "plans").mkdir()
    (tmp_path / "project" / "shared.tc").write_text('source D { files = "/srv" }\n')
    return tmp_path / "project"


def check(project: Path, text: str) -> list[str]:
    path = project / "plans" / "night.tc"
    path.write_text(text)
    return [d.message for d in compile_program(str(path), RealWorld()).diagnostics if d.code == "TC104"]


def test_an_include_may_go_anywhere_in_its_project(project: Path) -> None:
    assert check(project, 'include "../shared.tc"') == []


@pytest.mark.parametrize("where", ["../../outside.tc", "/etc/hostname", "link.tc", "/proc/self/environ"])
def test_an_include_does_not_leave_the_project(project: Path, where: str) -> None:
    (project / "plans" / "link.tc").symlink_to(project.parent / "outside.tc")
    (message,) = check(project, f'include "{where}"')
    assert "it lies outside of the project's folder" in message
    assert "TCC_INCLUDE" in message


def test_the_environment_can_allow_more_folders(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCC_INCLUDE", os.pathsep.join(["/nowhere", str(project.parent)]))
    assert check(project, 'include "../../outside.tc"') == []


def test_without_version_control_the_working_folder_is_the_project(project: Path) -> None:
    (project / ".git").rmdir()
    assert check(project, 'include "../../outside.tc"') == []  # the working folder is the one above
    os.chdir("/")
    (message,) = check(project, 'include "../shared.tc"')
    assert str(project / "plans") in message


def test_a_plan_that_was_read_from_a_pipe_is_held_to_its_project(project: Path) -> None:
    path = str(project / "plans" / "night.tc")
    compilation = compile_program(path, KnownWorld(path, b'include "../../outside.tc"'))
    assert [d.code for d in compilation.diagnostics if d.severity == "error"] == ["TC104"]


@pytest.mark.timeout(60)
def test_an_include_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "plans" / "pipe.tc")
    (message,) = check(project, 'include "pipe.tc"')
    assert message.endswith("it is no regular file")


# ---------------------------------------------------------------- what is loaded


def test_checking_a_plan_loads_only_what_it_needs(project: Path) -> None:
    (project / "plans" / "night.tc").write_text('include "../shared.tc"\ndrive R { discard = true }\n')
    code = (
        "import sys\nfrom tapechain.cli.main import _main\n"
        f"assert _main(['check', {str(project / 'plans' / 'night.tc')!r}]) == 0\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})\n"
        "print('PARTS', *(name for name in sys.modules if name.startswith('tapechain.')))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.partition("LOADED")[2].split())
    heavy = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich", "xxhash", "sqlite3", "pygls"}
    assert not loaded & heavy
    assert not loaded & {"tapechain.dsl.recovery", "tapechain.dsl.with_lark", "tapechain.runtime.engine"}
