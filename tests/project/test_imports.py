"""Who loads what: heavy libraries stay out of the runtime and of an interpreter's start."""

import subprocess
import sys

import pytest

HEAVY = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich", "xxhash"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "module", ["runtime", "runtime.engine", "runtime.drives", "runtime.media.volume", "runtime.plan"]
)
def test_runtime_loads_no_parser_no_graph_no_drawing(module: str) -> None:
    unwanted = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "click", "rich"}
    assert not loaded_after(f"import tapechain.{module}") & unwanted


def test_package_itself_loads_nothing_heavy() -> None:
    assert not loaded_after("import tapechain") & (HEAVY | {"click"})


def test_command_line_starts_without_heavy_imports() -> None:
    assert not loaded_after("import tapechain.cli.main") & HEAVY
    assert not loaded_after("from tapechain.cli.main import _main; _main(['--version'])") & HEAVY
