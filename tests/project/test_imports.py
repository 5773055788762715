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
    [
        "runtime",
        "runtime.engine",
        "runtime.drives.factory",
        "runtime.media.volume",
        "runtime.plan",
        "runtime.catalog.store",
    ],
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
        'source s { stream = "plan.tc" }\ndrive R { volumes = "R" }\nbackup group g { agent A -> R { B <- s } }\n'
    )
    subprocess.run([sys.executable, "-m", "tapechain", "compile", "plan.tc"], cwd=tmp_path, check=True, timeout=60)
    run = f"import os; os.chdir({str(tmp_path)!r}); from tapechain.cli.main import _main; "
    run += (
        "assert _main(['run', 'plan.plan.json', '--state', 'state', '--progress', 'none', '--report', 'r.json']) == 0"
    )
    unwanted = {"lark", "networkx", "jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich"}
    unwanted |= {"hashlib", "tempfile", "shutil", "lzma", "zstandard", "pyrage", "subprocess", "selectors", "ctypes"}
    assert not loaded_after(run) & unwanted


def test_a_catalog_in_a_file_is_asked_without_sqlalchemy(tmp_path: Path) -> None:
    """A copy run, its catalog known and unknown, and the commands that ask."""
    (tmp_path / "plan.tc").write_text(
        'source s { stream = "plan.tc" }\ndrive R { volumes = "R" }\nbackup group g { agent A -> R { B <- s } }\n'
    )
    (tmp_path / "copy.tc").write_text(
        'drive R { volumes = "R" }\ndrive N { volumes = "N" }\nrestore group old { agent A <- R { B <- all } }\n'
        'copy group g of old { agent C -> N { * <- A } }\ntarget T { stream = "back" }\nchain A.B -> T\n'
    )
    for name in ("plan", "copy"):
        command = [sys.executable, "-m", "tapechain", "compile", f"{name}.tc"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)

    def runs(*words: str) -> set[str]:
        code = f"import os; os.chdir({str(tmp_path)!r}); from tapechain.cli.main import _main; "
        return loaded_after(f"{code}assert _main({list(words)!r}) == 0")

    options = ["--progress", "none"]
    runs("run", "plan.plan.json", "--state", "state", *options)
    assert "sqlalchemy" not in runs("run", "copy.plan.json", "--state", "state", *options)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "plan.tc").read_bytes()
    assert "sqlalchemy" not in runs("run", "copy.plan.json", "--state", "new", "--overwrite", *options)
    catalog = ["--catalog", "state/catalog.sqlite"]
    for words in (["objects"], ["volumes"], ["sessions"], ["verify"], ["restore", "s", "--to", "there"]):
        assert "sqlalchemy" not in runs(*words, *catalog), words


# ---------------------------------------------------------------- the budget of `tcc check`

SOUND = """source s { files = "/s" }
drive R { volumes = "m/R" }
drive Q { volumes = "m/Q" }
backup group g { agent A -> R { B <- s } }
mirror group m of g { agent C -> Q { * <- A } }
require copies >= 2
"""

#: Of the standard library: what a check of a small plan must not wait for.
SLOW = {
    "asyncio",
    "xml",
    "sqlite3",
    "subprocess",
    "multiprocessing",
    "email",
    "http",
    "concurrent",
    "logging",
    "pickle",
    "unittest",
    "ssl",
    "socket",
    "argparse",
    "statistics",
    "csv",
    "select",
    "signal",
    "pkgutil",
    "ctypes",
}


def modules_after(folder: Path, plan: str, *words: str, code: int = 0) -> set[str]:
    """All modules that ``tcc WORDS`` has loaded at its end; *plan* is plan.tc."""
    (folder / "plan.tc").write_text(plan)
    script = (
        f"import os, sys; os.chdir({str(folder)!r}); from tapechain.cli.main import _main\n"
        f"assert _main({list(words)!r}) == {code}\nprint()\nprint(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.splitlines()[-1].split())


def of_others(modules: set[str]) -> set[str]:
    """The top-level packages that are neither ours nor Python's own."""
    before = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, timeout=60
    )
    tops = {name.partition(".")[0] for name in modules - set(before.stdout.split())}
    return tops - set(sys.stdlib_module_names) - {"tapechain"}


def ours(modules: set[str]) -> set[str]:
    return {name.removeprefix("tapechain.") for name in modules if name.startswith("tapechain.")}


def test_a_check_of_a_sound_plan_loads_click_and_nothing_else_of_others(tmp_path: Path) -> None:
    modules = modules_after(tmp_path, SOUND, "check", "plan.tc")
    assert of_others(modules) == {"click"}
    assert not modules & SLOW
    mine = ours(modules)
    assert {m for m in mine if m.startswith("runtime.")} == {
        "runtime.faults", "runtime.frozen", "runtime.kinds", "runtime.plan", "runtime.waiting",
    }  # fmt: skip
    assert not {m for m in mine if m.startswith(("compiler.emit", "compiler.differ", "compiler.draft", "cli.language"))}
    assert {m for m in mine if m.startswith("cli.formats.")} <= {"cli.formats.findings", "cli.formats.snippet"}
    assert not mine & {"compiler.forecast", "cli.rulebook", "cli.run", "cli.plans", "cli.recorded", "dsl.recovery"}


def test_a_check_that_finds_fault_loads_no_parser_generator_and_no_graph_library(tmp_path: Path) -> None:
    wrong = SOUND.replace("B <- s", "B <- t")
    assert of_others(modules_after(tmp_path, wrong, "check", "plan.tc", code=1)) == {"click"}
    modules = modules_after(tmp_path, wrong, "check", "--format", "sarif", "plan.tc", code=1)
    assert of_others(modules) == {"click"}
    assert not modules & SLOW
    assert "tapechain.cli.formats.junit" not in modules


def test_only_a_check_against_a_catalog_loads_one(tmp_path: Path) -> None:
    assert not {m for m in modules_after(tmp_path, SOUND, "check", "plan.tc") if "catalog" in m}


def test_templates_are_loaded_only_for_what_is_made_from_one(tmp_path: Path) -> None:
    plan = 'plan p { schedule = "daily" }\n' + SOUND
    assert of_others(modules_after(tmp_path, plan, "compile", "plan.tc")) == {"click"}
    assert "jinja2" not in modules_after(tmp_path, plan, "compile", "plan.tc", "--emit", "json,mermaid")
    for emitter in ("markdown", "systemd"):
        assert "jinja2" in modules_after(tmp_path, plan, "compile", "plan.tc", "--emit", emitter)
