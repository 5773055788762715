"""Who loads what: heavy libraries stay out of the runtime and of an interpreter's start."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich", "xxhash"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["runtime", "runtime.engine", "runtime.drives", "runtime.media.volume", "runtime.plan", "runtime.catalog.store"],
)
def test_runtime_loads_no_parser_no_graph_no_drawing(module: str) -> None:
    unwanted = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "click", "rich"}
    assert not loaded_after(f"import tapechain.{module}") & unwanted


def test_package_itself_loads_nothing_heavy() -> None:
    assert not loaded_after("import tapechain") & (HEAVY | {"click"})


def test_command_line_starts_without_heavy_imports() -> None:
    assert not loaded_after("import tapechain.cli.main") & HEAVY
    assert not loaded_after("from tapechain.cli.main import _main; _main(['--version'])") & HEAVY


def test_a_run_of_a_compiled_plan_needs_only_what_it_runs(tmp_path: Path) -> None:
    """SQLAlchemy's import alone takes longer than all that a run tells an SQLite catalog."""
    (tmp_path / "plan.tc").write_text(
        'source s { command = ["echo", "hello"] }\ndrive R { volumes = "R" }\n'
        "backup group g { agent A -> R { B <- s } }\n"
    )
    subprocess.run([sys.executable, "-m", "tapechain", "compile", "plan.tc"], cwd=tmp_path, check=True, timeout=60)
    run = f"import os; os.chdir({str(tmp_path)!r}); from tapechain.cli.main import _main; "
    run += "assert _main(['run', 'plan.plan.json', '--state', 'state', '--progress', 'none']) == 0"
    unwanted = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich", "hashlib", "tempfile"}
    assert not loaded_after(run) & unwanted
