"""A catalog in a folder that may not be written: a rescue system's read-only mount, another administrator's state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(60)

#: Root may write everywhere: then the reading is done as nobody.
AS_USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
READ = (
    "import sys; from tapechain.runtime.catalog.store import open_catalog; "
    "print([o.source for o in open_catalog(sys.argv[1], create=False).objects()])"
)


def as_user(*code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AS_USER, sys.executable, "-c", *code], capture_output=True, text=True, timeout=60, cwd="/")


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tapechain-test-"))
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["catalog.sqlite", "a ?b#c%20 d.sqlite"])
def test_catalog_is_read_where_nothing_may_be_written(world: Any, locked_folder: Path, name: str) -> None:
    if AS_USER and (shutil.which("setpriv") is None or as_user("import tapechain.runtime.catalog.store").returncode):
        pytest.skip("run as root, and other users cannot use this interpreter")
    world.run({"A": b"one"})
    place = locked_folder / name
    shutil.copy(world.catalog_path, place)
    before = place.read_bytes()
    place.chmod(0o444)
    locked_folder.chmod(0o555)
    done = as_user(READ, str(place))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['A']"
    assert place.read_bytes() == before and [p.name for p in locked_folder.iterdir()] == [name]
