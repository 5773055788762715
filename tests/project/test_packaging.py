"""The packaging: a wheel made from the sdist holds tapechain/** and nothing else, and every package is listed."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("dsl", "compiler", "runtime", "cli")


def listed_packages() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])


def test_every_package_folder_is_listed_and_every_listed_one_exists() -> None:
    found = {"tapechain"}
    for top in FOLDERS:
        for init in (ROOT / top).rglob("__init__.py"):
            found.add("tapechain." + ".".join(init.parent.relative_to(ROOT).parts))
    assert found == listed_packages()


def test_no_module_lies_in_a_folder_without_init() -> None:
    for top in FOLDERS:
        for module in (ROOT / top).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_wheel_from_sdist_holds_tapechain_and_nothing_else(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, names.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(source.read_bytes())
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    subprocess.run([*build, "--sdist", str(tree)], check=True, capture_output=True)
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path / "unpacked"], check=True)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    subprocess.run([*build, "--wheel", str(unpacked)], check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
    assert not [name for name in inside if "editors/" in name or "node_modules" in name]
    assert {name.split("/")[0] for name in inside} == {"tapechain", "tapechain-0.1.0.dist-info"}
    assert {
        "tapechain/grammar.lark",
        "tapechain/dsl/tables.json",
        "tapechain/py.typed",
        "tapechain/__main__.py",
    } <= set(inside)
    modules = {f"tapechain/{path.relative_to(ROOT)}" for top in FOLDERS for path in (ROOT / top).rglob("*.py")}
    modules |= {"tapechain/__init__.py", "tapechain/__main__.py"}
    assert {name for name in inside if name.endswith(".py")} == modules
    pages = {f"tapechain/docs/rules/{page.name}" for page in (ROOT / "docs" / "rules").glob("*.md")}
    assert pages and pages <= set(inside)
